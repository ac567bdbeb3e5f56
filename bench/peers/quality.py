#!/usr/bin/env python3
"""What a training is worth: test accuracy and loss over several seeds, ours beside PyTorch's on the same network.

    build/peers-venv/pytorch/bin/python bench/peers/quality.py [--seeds 10] [--threads N] [--data data]

Both train 784-500-500-500-10 with Adam (learning rate 0.001, epsilon 1e-7), batches of 1000, 5 epochs, Glorot uniform
weights, zero biases, and a tenth of the training images held out. The same seed does not mean the same numbers, so
only mean and spread can be compared. Exit status 1 when ours is worse than PyTorch's mean by more than 0.1 points of
accuracy or 0.004 of loss."""

import argparse
import json
import os
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
try:
    import common
    import train_pytorch
except ImportError as error:
    sys.exit(f"quality.py: {error}; bench/peers/run --install pytorch, then run this with the Python in the first line "
             "of --help")

ACCURACY_MARGIN, LOSS_MARGIN = 0.1, 0.004


def pytorch(arguments, seed):
    options = [arguments.data, str(arguments.threads), "5", "--seed", str(seed)]
    args = common.arguments(options=options)
    loss, accuracy = train_pytorch.train(args, common.load(args))
    return 100 * accuracy, loss


def ours(arguments, seed):
    out = subprocess.run([arguments.program, "--json", "--quiet", "--seed", str(seed), "--data", arguments.data,
                          "--threads", str(arguments.threads)], check=True, stdout=subprocess.PIPE, text=True).stdout
    summary = next(e for e in map(json.loads, out.splitlines()) if e["event"] == "summary")
    return 100 * summary["test_accuracy"], summary["test_loss"], summary["weights_crc32"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--program", default="./mnist_fast")
    parser.add_argument("--data", default="data")
    arguments = parser.parse_args()

    print("| seed | mnist_fast accuracy | loss | weights | PyTorch accuracy | loss |\n|---|---|---|---|---|---|")
    mine, peer = [], []
    for seed in range(1, arguments.seeds + 1):
        accuracy, loss, crc = ours(arguments, seed)
        mine.append((accuracy, loss))
        peer.append(pytorch(arguments, seed))
        print(f"| {seed} | {accuracy:.2f}% | {loss:.4f} | {crc} | {peer[-1][0]:.2f}% | {peer[-1][1]:.4f} |", flush=True)
    if arguments.seeds < 2:
        return
    for what, of in ("mean", statistics.mean), ("standard deviation", statistics.stdev), ("least", min), ("most", max):
        cells = [of([x[i] for x in side]) for side in (mine, peer) for i in (0, 1)]
        print(f"| {what} | {cells[0]:.2f}% | {cells[1]:.4f} | | {cells[2]:.2f}% | {cells[3]:.4f} |")
    worse = [statistics.mean(x[i] for x in peer) - statistics.mean(x[i] for x in mine) for i in (0, 1)]
    if worse[0] > ACCURACY_MARGIN or -worse[1] > LOSS_MARGIN:
        sys.exit(f"quality.py: worse than PyTorch by {worse[0]:.3f} points of accuracy and {-worse[1]:.4f} of loss; "
                 f"{ACCURACY_MARGIN} and {LOSS_MARGIN} are allowed")


main()
