#!/usr/bin/python3
"""What a training is worth: test accuracy and loss over several seeds, ours beside PyTorch's on the same network.

    /usr/bin/python3 bench/peers/quality.py [--seeds 10] [--threads N] [--program ./mnist_fast] [--data data]

Both train 784-500-500-500-10 with Adam (learning rate 0.001, epsilon 1e-7), batches of 1000, 5 epochs, Glorot uniform
weights, zero biases, and a tenth of the training images held out. The same seed does not mean the same numbers, so only
mean and spread can be compared. Exit status 1 when ours is worse than PyTorch's mean by more than 0.1 points of accuracy
or 0.004 of loss."""
import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys

try:
    import torch
except ImportError:
    sys.exit("quality.py: PyTorch is missing; apt-get install python3-torch libopenblas0-pthread, then run this with "
             "/usr/bin/python3")

HIDDEN, EPOCHS, BATCH = [500, 500, 500], 5, 1000
ACCURACY_MARGIN, LOSS_MARGIN = 0.1, 0.004


def read(folder, name, header):
    """The bytes after the header of an IDX file, raw or .gz, with either spelling of its name."""
    for spelling in name, name.replace("-idx", ".idx"):
        path = os.path.join(folder, spelling)
        if os.path.exists(path):
            return torch.frombuffer(bytearray(open(path, "rb").read()[header:]), dtype=torch.uint8)
        if os.path.exists(path + ".gz"):
            return torch.frombuffer(bytearray(gzip.open(path + ".gz").read()[header:]), dtype=torch.uint8)
    sys.exit(f"quality.py: {folder}: there is no {name}; fetch the data with data/fetch")


def load(folder, part):
    images = read(folder, part + "-images-idx3-ubyte", 16).reshape(-1, 784).float() / 255
    return images, read(folder, part + "-labels-idx1-ubyte", 8).long()


def pytorch(seed, train, test):
    torch.manual_seed(seed)
    sizes = [784] + HIDDEN + [10]
    layers = []
    for n, out in zip(sizes, sizes[1:]):
        linear = torch.nn.Linear(n, out)
        torch.nn.init.xavier_uniform_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7)
    images, labels = train
    kept = torch.randperm(len(labels))[len(labels) // 10:]
    for _ in range(EPOCHS):
        order = kept[torch.randperm(len(kept))]
        for batch in order.split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        logits = network(test[0])
        return (100 * (logits.argmax(1) == test[1]).double().mean().item(),
                torch.nn.functional.cross_entropy(logits.double(), test[1]).item())


def ours(seed, arguments):
    out = subprocess.run([arguments.program, "--json", "--quiet", "--seed", str(seed), "--data", arguments.data,
                          "--threads", str(arguments.threads)], check=True, stdout=subprocess.PIPE, text=True).stdout
    summary = next(e for e in map(json.loads, out.splitlines()) if e["event"] == "summary")
    return 100 * summary["test_accuracy"], summary["test_loss"], summary["weights_crc32"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--program", default="./mnist_fast")
    parser.add_argument("--data", default="data")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train, test = load(arguments.data, "train"), load(arguments.data, "t10k")

    print("| seed | mnist_fast accuracy | loss | weights | PyTorch accuracy | loss |\n|---|---|---|---|---|---|")
    mine, peer = [], []
    for seed in range(1, arguments.seeds + 1):
        accuracy, loss, crc = ours(seed, arguments)
        mine.append((accuracy, loss))
        peer.append(pytorch(seed, train, test))
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
