"""What the trainings of the peers share: arguments, data, the clock, and the report."""

import argparse
import gzip
import json
import os
import time

import numpy as np

SIZES = [784, 500, 500, 500, 10]
BATCH, LEARNING_RATE, EPSILON, SHUFFLE_BUFFER = 1000, 1e-3, 1e-7, 10_000


def arguments(*variants, options=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("threads", type=int)
    parser.add_argument("epochs", type=int)
    parser.add_argument("--images", type=int, default=60_000, help="to train and to validate with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", default="", choices=["", *variants])
    return parser.parse_args(options)


def load(args):
    """Training, validation (a tenth) and test set, each as images, floats from 0 to 1, and labels."""
    def read(name, header):
        for spelling in name, name.replace("-idx", ".idx"):
            for end, opened in ("", open), (".gz", gzip.open):
                path = os.path.join(args.data, spelling + end)
                if os.path.exists(path):
                    with opened(path, "rb") as file:
                        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)
        raise SystemExit(f"{args.data}: there is no {name}; fetch the data with data/fetch")

    def part(name, order=...):
        images, labels = read(f"{name}-images-idx3-ubyte", 16).reshape(-1, 784), read(f"{name}-labels-idx1-ubyte", 8)
        return np.multiply(images[order], np.float32(1 / 255), dtype=np.float32), labels[order].astype(np.int64)

    order = np.random.default_rng(args.seed).permutation(60_000)[: args.images]
    held_out = len(order) // 10
    return part("train", order[held_out:]), part("train", order[:held_out]), part("t10k")


class Phases:
    """The time of each phase: it ends where the next one begins."""

    def __init__(self):
        self.seconds, self.last = {}, time.perf_counter()

    def end(self, name):
        now = time.perf_counter()
        self.seconds[name], self.last = now - self.last, now


def report(version, phases, loss, accuracy):
    print(json.dumps({"version": version, "seconds": phases.seconds, "test_loss": float(loss),
                      "test_accuracy": float(accuracy)}))
