#!/usr/bin/env python3
"""The accuracy that --recipe best reaches: trains once for each seed, and prints the test accuracy of each, their mean,
its standard error, and the time; then the accuracy on test digits that are shifted. Models, logs and accuracy.json go
to a folder; training that is there already, finished by the same program and options, is not repeated. --plot writes
accuracy.svg and wrong.svg from that folder."""

import argparse
import base64
import json
import math
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SIDE, SHIFTS = 28, (1, 2, 3, 4)
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # rows down, columns to the right


def read_idx(path):
    with open(path, "rb") as file:
        data = file.read()
    header = 4 + 4 * data[3]
    return data[:header], data[header:]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench/accuracy.py: {' '.join(command)}: exit status {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def train(options, name, seed, arguments):
    """The events of a training, from its log where it is there already."""
    stem = os.path.join(options.out, f"{name}-{seed}")
    command = [options.program, "--data", options.data, "--json", "--seed", str(seed), "--save", stem + ".safetensors",
               *arguments]
    with open(options.program, "rb") as file:
        made_by = [zlib.crc32(file.read()), command]
    if os.path.exists(stem + ".json"):
        with open(stem + ".json", encoding="utf-8") as file:
            saved = json.load(file)
        if saved["made_by"] == made_by:
            return saved
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    events = run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {"made_by": made_by, "seconds": time.monotonic() - start, "model": stem + ".safetensors",
              "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "events": events}
    with open(stem + ".json", "w", encoding="utf-8") as file:
        json.dump(result, file)
    return result


def accuracy(result):
    return 100 * result["events"][-1]["test_accuracy"]


def spread(values):
    """The mean, and its standard error."""
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1))
    return mean, deviation / math.sqrt(len(values))


def moved(pixels, down, right):
    """Every image moved by so many rows and columns; what leaves it is lost."""
    empty, images = bytes(SIDE), []
    for begin in range(0, len(pixels), SIDE * SIDE):
        rows = [pixels[i:i + SIDE] for i in range(begin, begin + SIDE * SIDE, SIDE)]
        rows = [rows[r - down] if 0 <= r - down < SIDE else empty for r in range(SIDE)]
        images += [bytes(max(right, 0)) + row[max(-right, 0):SIDE - max(right, 0)] + bytes(max(-right, 0))
                   for row in rows]
    return b"".join(images)


def shifted_accuracy(options, model):
    """For each distance: the mean over the four directions."""
    header, pixels = read_idx(os.path.join(options.data, "t10k-images-idx3-ubyte"))
    labels = os.path.abspath(os.path.join(options.data, "t10k-labels-idx1-ubyte"))
    means = []
    for distance in (0, *SHIFTS):
        found = []
        for down, right in DIRECTIONS if distance else DIRECTIONS[:1]:
            with tempfile.TemporaryDirectory() as folder:
                os.symlink(labels, os.path.join(folder, "t10k-labels-idx1-ubyte"))
                with open(os.path.join(folder, "t10k-images-idx3-ubyte"), "wb") as file:
                    file.write(header + moved(pixels, down * distance, right * distance))
                events = run([options.program, "evaluate", "--model", model, "--data", folder, "--json", "--quiet"])
            found.append(100 * events[0]["accuracy"])
        means.append(sum(found) / len(found))
    return means


def bench(options):
    os.makedirs(options.out, exist_ok=True)
    recipe = ["--recipe", "best", *options.arguments]
    results = []
    print("  seed   test accuracy   seconds   CPU seconds")
    for seed in range(1, options.seeds + 1):
        results.append(train(options, "best", seed, recipe))
        print(f"{seed:6}{accuracy(results[-1]):15.2f}%{results[-1]['seconds']:10.1f}"
              f"{results[-1]['cpu_seconds']:14.1f}", flush=True)
    values = [accuracy(r) for r in results]
    mean, error = spread(values)
    images = len(read_idx(os.path.join(options.data, "t10k-labels-idx1-ubyte"))[1])
    own = 100 * math.sqrt(mean / 100 * (1 - mean / 100) / images)
    seconds, cpu_seconds = (sum(r[key] for r in results) / len(results) for key in ("seconds", "cpu_seconds"))
    print(f"\n  mean      {mean:.3f}% of {len(values)} seeds, from {min(values):.2f}% to {max(values):.2f}%; "
          f"standard error {error:.3f}")
    print(f"  test set  {images} images: a standard error of {own:.2f} points, the same images for every seed")
    print(f"  time      {seconds:.1f} s a training, {cpu_seconds:.1f} s of CPU time")
    plain = train(options, "plain", 1, [])
    shifts = {name: shifted_accuracy(options, result["model"]) for name, result in
              (("plain", plain), ("best", results[0]))}
    print("\n  test digits shifted by    0       1       2       3       4 pixels, mean of four directions")
    for name, title in (("plain", "without options"), ("best", "--recipe best")):
        print(f"  {title:20}" + "".join(f"{value:7.2f}%" for value in shifts[name]))
    summary = {"accuracies": values, "mean": mean, "standard_error": error, "seconds": seconds,
               "cpu_seconds": cpu_seconds, "shifts": shifts, "models": [r["model"] for r in results],
               "curves": {name: [e for e in r["events"] if e["event"] == "epoch"]
                          for name, r in (("plain", plain), ("best", results[0]))}}
    with open(os.path.join(options.out, "accuracy.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file)


def plot_curves(summary, out):
    from plot import Picture, scale
    p = Picture(820, 420, "Training", "training loss of each epoch, on deformed digits (blue) and as they are (orange)")
    left, right, top, bottom = 70, 790, 80, 370
    curves = {name: [e["train_loss"] for e in events] for name, events in summary["curves"].items()}
    values = [v for curve in curves.values() for v in curve]
    y = scale(min(values) / 1.2, max(values) * 1.2, bottom, top)
    x = scale(1, max(len(curve) for curve in curves.values()), left, right)
    for value in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2):
        if min(values) / 1.2 <= value <= max(values) * 1.2:
            p.line([(left, y(value)), (right, y(value))], "grid")
            p.text(left - 8, y(value) + 4, f"{value:g}", "end small")
    for value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if value <= max(len(curve) for curve in curves.values()):
            p.text(x(value), bottom + 18, value, "mid small")
    for name, kind in (("best", "la line"), ("plain", "lb line")):
        p.line([(x(i + 1), y(v)) for i, v in enumerate(curves[name])], kind)
    p.text((left + right) / 2, bottom + 40, "epochs", "mid")
    p.write(out, "accuracy.svg")


def png(width, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def plot_wrong(options, summary, out):
    from plot import Picture
    across, size, most = 10, 72, 60
    events = run([options.program, "evaluate", "--model", summary["models"][0], "--data", options.data, "--json",
                  "--quiet", "--mistakes", str(most)])
    wrong = events[0]["mistakes"]
    pixels = read_idx(os.path.join(options.data, "t10k-images-idx3-ubyte"))[1]
    p = Picture(across * size + 48, 80 + math.ceil(len(wrong) / across) * (size + 24), "What is still read wrongly",
                "the digit as labelled, and as it is read; seed 1, those with the highest loss first")
    for i, mistake in enumerate(wrong):
        begin = mistake["index"] * SIDE * SIDE
        rows = [pixels[begin + r * SIDE:begin + (r + 1) * SIDE] for r in range(SIDE)]
        x, y = 24 + i % across * size, 70 + i // across * (size + 24)
        data = base64.b64encode(png(SIDE, rows)).decode()
        p.parts.append(f'<image x="{x}" y="{y}" width="{size - 8}" height="{size - 8}" '
                       f'href="data:image/png;base64,{data}"/>')
        p.text(x + (size - 8) / 2, y + size + 6, f"{mistake['truth']}, read as {mistake['guess']}", "mid small")
    p.write(out, "wrong.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="build/mnist_fast")
    parser.add_argument("--data", default="data")
    parser.add_argument("--out", default="build/accuracy", help="folder of models and results (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="trains with seeds 1 to this (default %(default)s)")
    parser.add_argument("--plot", metavar="DIR", help="do not train; write accuracy.svg and wrong.svg here")
    parser.add_argument("arguments", nargs="*", help="more options for the program, after --")
    options = parser.parse_args()
    if options.plot:
        with open(os.path.join(options.out, "accuracy.json"), encoding="utf-8") as file:
            summary = json.load(file)
        plot_curves(summary, options.plot)
        plot_wrong(options, summary, options.plot)
    else:
        bench(options)


if __name__ == "__main__":
    main()
