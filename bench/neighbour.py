#!/usr/bin/env python3
"""What a busy neighbour costs: trainings on one thread, on all processors, and on all of them while another program
keeps one of them busy, in turn. Prints the time of the last two over the first, medians and ranges. The data are the
first images of the training set, as tests/some_images makes them."""

import argparse
import json
import os
import statistics
import subprocess
import sys


def seconds(options, batch, threads):
    epochs = max(1, min(20, batch // 4))  # small batches take long, large ones too short a time to be measured
    command = [options.program, "--data", options.data, "--json", "--batch", str(batch), "--threads", str(threads),
               "--epochs", str(epochs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench/neighbour.py: {' '.join(command)}: exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])["train_seconds"]


def beside_a_loop(processor, measure):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as loop:
        try:
            os.sched_setaffinity(loop.pid, {processor})
            return measure()
        finally:
            loop.kill()


def cell(times, alone):
    return f"{statistics.median(times) / alone:.2f} ({min(times) / alone:.2f} to {max(times) / alone:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="build/mnist_fast")
    parser.add_argument("--data", required=True, help="a folder with the images")
    parser.add_argument("--batches", default="1,32,1000", help="sizes, with commas between them (default %(default)s)")
    parser.add_argument("--repeat", type=int, default=7, help="turns (default %(default)s)")
    options = parser.parse_args()

    processors = sorted(os.sched_getaffinity(0))
    threads = len(processors)
    print(f"{threads} processors; time over that of 1 thread alone; medians of {options.repeat} (least to most)")
    print(f"{'batch':>5}  {'1 thread, s':>11}  {'all, quiet':<20}  all, a loop on processor {processors[-1]}")
    for batch in (int(text) for text in options.batches.split(",")):
        alone, quiet, busy = [], [], []
        for _ in range(options.repeat):
            alone.append(seconds(options, batch, 1))
            quiet.append(seconds(options, batch, threads))
            busy.append(beside_a_loop(processors[-1], lambda: seconds(options, batch, threads)))
        one = statistics.median(alone)
        print(f"{batch:5}  {one:11.3f}  {cell(quiet, one):<20}  {cell(busy, one)}", flush=True)


if __name__ == "__main__":
    main()
