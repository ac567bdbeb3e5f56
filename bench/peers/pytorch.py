"""The same training in PyTorch: pytorch.py DATA THREADS EPOCHS. Prints JSON: seconds, accuracy, version.

The images are at hand as scaled floats before the clock starts; the clock holds epochs and their validation."""

import json
import sys
import time

import torch

folder, threads, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)


def idx(name, header):
    with open(f"{folder}/{name}", "rb") as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


def part(name):
    images = idx(f"{name}-images-idx3-ubyte", 16).reshape(-1, 784).float() / 255
    return images, idx(f"{name}-labels-idx1-ubyte", 8).long()


(images, labels), (test_images, test_labels) = part("train"), part("t10k")
split = torch.randperm(len(images))
held_out, train = split[: len(images) // 10], split[len(images) // 10 :]
images, labels, val_images, val_labels = images[train], labels[train], images[held_out], labels[held_out]

sizes = [784, 500, 500, 500, 10]
layers = []
for inputs, outputs in zip(sizes, sizes[1:]):
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.xavier_uniform_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    layers += [layer, torch.nn.ReLU()]
model = torch.nn.Sequential(*layers[:-1])
adam = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
loss_of = torch.nn.CrossEntropyLoss()


def accuracy(x, y):
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


begin = time.perf_counter()
for _ in range(epochs):
    order = torch.randperm(len(images))
    for batch in order.split(1000):
        adam.zero_grad(set_to_none=True)
        loss_of(model(images[batch]), labels[batch]).backward()
        adam.step()
    accuracy(val_images, val_labels)
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": seconds, "accuracy": accuracy(test_images, test_labels), "version": torch.__version__}))
