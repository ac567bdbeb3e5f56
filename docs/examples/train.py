#!/usr/bin/env python3
"""Train with a callback, stop when it gets no better, look at the mistakes, and save: train.py DATA MODEL

DATA: a folder of the four MNIST files. PYTHONPATH must name the folder of mnist_fast.py: src/python of a checkout,
share/mnist_fast/python of an installation."""

import sys

import mnist_fast
import numpy as np


def main(data, model):
    images, labels = mnist_fast.load_images(data, "train")
    network = mnist_fast.Network(hidden=(128, 64), batch_size=100, seed=7)
    losses = []

    def callback(progress):
        """True stops the training. Network(patience=2) would do the same, and keep the best epoch."""
        if not progress.epoch_done:
            return False
        losses.append(progress.validation.loss)
        print(f"epoch {progress.epoch}: validation loss {losses[-1]:.4f}, accuracy {progress.validation.accuracy:.4f}")
        return len(losses) > 2 and min(losses[-2:]) > min(losses)

    completed = network.train(images, labels, epochs=10, callback=callback)
    print("all epochs done" if completed else f"stopped after {network.epochs} epochs")

    images, labels = mnist_fast.load_images(data, "test")
    print(f"test accuracy {network.evaluate(images, labels).accuracy:.4f}")
    probabilities = network.predict_proba(images)
    digits = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(digits != labels)
    for i in wrong[np.argsort(-probabilities[wrong, digits[wrong]])][:3]:
        print(f"test image {i}, a {labels[i]}, is read as {digits[i]} ({probabilities[i, digits[i]]:.1%})")

    network.save(model)
    again = mnist_fast.Network.load(model)
    assert (again.predict(images) == digits).all()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: train.py DATA MODEL")
    try:
        main(*sys.argv[1:])
    except mnist_fast.MnistFastError as error:
        sys.exit(f"train.py: {error}")
