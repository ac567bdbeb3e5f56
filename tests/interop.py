#!/usr/bin/env python3
"""tests/interop.py FOLDER: models that travel, compared on all 10,000 test images; tests/interop runs this.

Each check prints a line; the status is 1 where one failed: digits must be the same, but where the two largest
probabilities are nearer than the tolerance; probabilities must agree to 1e-5."""

import subprocess
import sys
import tempfile
from pathlib import Path

import mnist_fast
import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
import safetensors.torch
import torch

TOLERANCE = 1e-5
failed = []


def check(what, good, text=""):
    print(f"{'ok   ' if good else 'FAIL '} {what}{': ' if text else ''}{text}", flush=True)
    if not good:
        failed.append(what)


def compare(what, expected, found):
    """Probabilities (N, 10) of two programs."""
    assert expected.shape == found.shape and len(expected) == 10000, (expected.shape, found.shape)
    others = np.flatnonzero(expected.argmax(1) != found.argmax(1))
    best = np.sort(expected[others], axis=1)
    ties = best[:, -1] - best[:, -2] < TOLERANCE
    error = np.abs(expected.astype(np.float64) - found).max()
    check(what, bool(ties.all()) and error <= TOLERANCE,
          f"{len(others)} of {len(expected)} digits differ, {ties.sum()} of them by a tie; probabilities to {error:.1e}")


def run_torch(network, pixels):
    with torch.no_grad():
        return torch.softmax(network(torch.from_numpy(pixels)), 1).numpy()


def sequential():
    layers = []
    for inputs, units in (784, 500), (500, 500), (500, 500), (500, 10):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


class Named(torch.nn.Module):
    """Layers as most examples of PyTorch name them."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = torch.nn.Linear(784, 128), torch.nn.Linear(128, 128), torch.nn.Linear(128, 10)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def run_numpy(tensors, pixels):
    x = pixels
    for layer in 0, 2, 4, 6:
        x = x @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
        x = np.maximum(x, 0) if layer < 6 else x
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def run_onnx(path, pixels):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["pixels"]
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    return logits, probabilities


def main(build, folder):
    images, labels = mnist_fast.load_images("data", "test")
    pixels = images.reshape(-1, 784).astype(np.float32) / np.float32(255)
    network = mnist_fast.Network()
    network.train(*mnist_fast.load_images("data", "train"), 1)
    model, exported = folder / "model.safetensors", folder / "model.onnx"
    network.save(model)
    expected = network.predict_proba(images)
    print(f"trained for 1 epoch: accuracy {network.evaluate(images, labels).accuracy:.4f}, "
          f"crc32 {network.weights_crc32:08x}")

    tensors = safetensors.numpy.load_file(model)
    compare("our safetensors in NumPy", expected, run_numpy(tensors, pixels))
    torch.manual_seed(1)
    ours = sequential()
    ours.load_state_dict(safetensors.torch.load_file(model))
    compare(f"our safetensors in PyTorch {torch.__version__}", expected, run_torch(ours, pixels))

    written = folder / "again.safetensors"
    safetensors.torch.save_file(ours.state_dict(), written)
    again = mnist_fast.Network.load(written)
    check("through PyTorch and back", again.weights_crc32 == network.weights_crc32, f"crc32 {again.weights_crc32:08x}")

    named = Named()
    optimizer = torch.optim.Adam(named.parameters())
    train_images, train_labels = mnist_fast.load_images("data", "train")
    inputs = torch.from_numpy(train_images.reshape(-1, 784)[:20000].astype(np.float32) / 255)
    truth = torch.from_numpy(train_labels[:20000].astype(np.int64))
    for batch in torch.randperm(20000).split(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(named(inputs[batch]), truth[batch]).backward()
        optimizer.step()
    for what, state in [
        ("PyTorch's fc1, fc2, fc3 here", named.state_dict()),
        ("PyTorch's _orig_mod.fc1, ... here", torch.compile(named).state_dict()),
    ]:
        safetensors.torch.save_file(state, written)
        here = mnist_fast.Network.load(written)
        compare(what, run_torch(named, pixels), here.predict_proba(images))
    print(f"      (accuracy of that one: {here.evaluate(images, labels).accuracy:.4f})")

    subprocess.run([build / "mnist_fast", "export", "--quiet", "--model", model, "--onnx", exported], check=True)
    onnx.checker.check_model(onnx.load(exported), full_check=True)
    check(f"the ONNX checker {onnx.__version__}, with shape inference", True)
    metadata = {each.key: each.value for each in onnx.load(exported).metadata_props}
    check("the checksum in the ONNX file", metadata["weights_crc32"] == f"{network.weights_crc32:08x}")
    logits, probabilities = run_onnx(exported, pixels)
    compare(f"our ONNX in onnxruntime {onnxruntime.__version__}", expected, probabilities)
    one = np.concatenate([run_onnx(exported, pixels[i : i + 1])[1] for i in range(3)])
    check("the same for one image at a time", np.abs(one - expected[:3]).max() <= TOLERANCE)
    with torch.no_grad():
        error = np.abs(ours(torch.from_numpy(pixels)).numpy() - logits).max()
    check("logits of ONNX and PyTorch", error < 1e-4, f"to {error:.1e}")


with tempfile.TemporaryDirectory() as temporary:
    main(Path(sys.argv[1]), Path(temporary))
print(f"interop: {len(failed)} failed")
sys.exit(bool(failed))
