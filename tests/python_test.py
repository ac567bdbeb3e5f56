#!/usr/bin/env python3
"""The Python module, against the library that it finds: the file MF_LIBRARY. tests/python runs this."""

import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import mnist_fast
import numpy as np
from mnist_fast import MnistFastError, Network


def make_data(count, seed):
    """Digit d is a bright block at a place of its own, over noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.uint8)
    images = random.integers(0, 256, (count, 28, 28)) * (random.random((count, 28, 28)) < 0.2)
    for image, label in zip(images, labels):
        y, x = divmod(int(label), 4)
        image[7 * y : 7 * y + 7, 7 * x : 7 * x + 7] = 255
    return images.astype(np.uint8), labels


IMAGES, LABELS = make_data(400, 1)
USUAL = {"hidden": (20, 12), "batch_size": 50, "learning_rate": 0.01}


def trained(epochs=8, **options):
    network = Network(**{**USUAL, **options})
    network.train(IMAGES, LABELS, epochs)
    return network


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_library(self):
        with open("/proc/self/maps") as maps:  # a path may have spaces
            mapped = {line.rstrip("\n").split(maxsplit=5)[5] for line in maps if "libmnistfast" in line}
        self.assertEqual(len(mapped), 1)
        self.assertTrue(os.path.samefile(mapped.pop(), os.environ["MF_LIBRARY"]))
        self.assertRegex(mnist_fast.__version__, r"^\d+\.\d+\.\d+$")

    def test_named_library(self):
        run = subprocess.run([sys.executable, "-c", "import mnist_fast"], capture_output=True, text=True,
                             env={**os.environ, "MNIST_FAST_LIBRARY": "/no/such/library.so"})
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("/no/such/library.so", run.stderr)
        self.assertIn("set MNIST_FAST_LIBRARY", run.stderr)

    def test_training(self):
        network = trained()
        images, labels = make_data(200, 2)
        loss, accuracy, confusion = network.evaluate(images, labels)
        digits, probabilities = network.predict(images), network.predict_proba(images)
        self.assertGreater(accuracy, 0.9)
        self.assertEqual((digits == labels).mean(), accuracy)
        self.assertEqual((digits.dtype, probabilities.dtype, confusion.dtype), (np.uint8, np.float32, np.uint32))
        np.testing.assert_array_equal(probabilities.argmax(1), digits)
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
        own = -np.log(probabilities[np.arange(200), labels].astype(np.float64)).mean()
        self.assertAlmostEqual(loss, own, places=5)
        for true in range(10):
            np.testing.assert_array_equal(confusion[true], np.bincount(digits[labels == true], minlength=10))

    def test_one_seed_one_model(self):
        one, two = trained(threads=1, isa="scalar"), trained(threads=2)
        self.assertEqual((one.isa, one.threads, two.threads), ("scalar", 1, 2))
        self.assertEqual(one.weights_crc32, two.weights_crc32)
        self.assertNotEqual(one.weights_crc32, trained(seed=2).weights_crc32)

    def test_images(self):
        network = trained(2)
        expected = network.predict_proba(IMAGES)
        np.testing.assert_array_equal(network.predict_proba(IMAGES.reshape(-1, 784)), expected)
        np.testing.assert_array_equal(network.predict_proba(np.asfortranarray(IMAGES)), expected)
        np.testing.assert_array_equal(network.predict_proba(IMAGES[::-1]), expected[::-1])
        np.testing.assert_array_equal(network.predict_proba(IMAGES[:1]), expected[:1])
        self.assertEqual(network.predict_proba(IMAGES[:0]).shape, (0, 10))
        described = mnist_fast._describe(IMAGES, LABELS)
        self.assertEqual(described.pixels, IMAGES.ctypes.data, "copied")
        self.assertEqual(described.labels, LABELS.ctypes.data, "copied")
        wide = LABELS.astype(np.int64)
        self.assertEqual(network.evaluate(IMAGES, wide)[:2], network.evaluate(IMAGES, list(LABELS))[:2])

    def test_wrong_arguments(self):
        network = Network(**USUAL)
        for call, error, words in [
            (lambda: network.predict(IMAGES / 255), TypeError, "expected a uint8 array.*float64.*255"),
            (lambda: network.predict([[0] * 784]), TypeError, "found list"),
            (lambda: network.predict(IMAGES[0]), ValueError, r"\(N, 28, 28\).*\(28, 28\); one is image\[None\]"),
            (lambda: network.predict(IMAGES[:, 1:]), ValueError, r"found \(400, 27, 28\)"),
            (lambda: network.evaluate(IMAGES, LABELS[1:]), ValueError, r"shape \(400,\).*found \(399,\)"),
            (lambda: network.evaluate(IMAGES, LABELS + 0.5), TypeError, "expected integers"),
            (lambda: network.evaluate(IMAGES, LABELS + 1), ValueError, "expected 0 to 9, found 1 to 10"),
            (lambda: network.evaluate(IMAGES, LABELS.astype(int) - 1), ValueError, "found -1 to 8"),
            (lambda: network.evaluate(IMAGES[:0], LABELS[:0]), MnistFastError, "images"),
            (lambda: network.train(IMAGES, LABELS, 1 << 32), ValueError, "epochs: 4294967296 is out of range"),
            (lambda: network.train(IMAGES, LABELS, -1), MnistFastError, "epochs"),
            (lambda: Network(hidden=[1] * 17), ValueError, "at most 16 layers"),
            (lambda: Network(schedule="linear"), ValueError, "constant.*cosine.*linear"),
            (lambda: Network(precision="fp16"), ValueError, "fp32.*bf16.*fp16"),
            (lambda: Network(hidden=1 << 32), ValueError, "out of range"),
            (lambda: Network(batch=5), TypeError, "batch: there is no such option"),
            (lambda: Network(seed=-1), ValueError, "seed: -1 is out of range"),
            (lambda: Network(batch_size=0), MnistFastError, "batch"),
            (lambda: Network(batch_size="5"), TypeError, ""),
            (lambda: Network(isa="abacus"), MnistFastError, "abacus"),
            (lambda: network.configure(hidden=5), MnistFastError, "hidden layers"),
            (lambda: mnist_fast.load_images(self.folder, "all"), ValueError, "part"),
        ]:
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()

    def test_status(self):
        for path, status in [(self.folder / "none", "MNIST_FAST_BAD_FILE"), (__file__, "MNIST_FAST_BAD_MODEL")]:
            with self.assertRaises(MnistFastError) as caught:
                Network.load(path)
            self.assertEqual(caught.exception.status, status)
            self.assertIn(str(path), str(caught.exception))

    def test_callback(self):
        seen, network = [], Network(**USUAL)
        self.assertTrue(network.train(IMAGES, LABELS, 3, seen.append))
        self.assertEqual([(p.epoch, p.batch) for p in seen],
                         [(e, b) for e in (1, 2, 3) for b in range(1, seen[0].batches + 1)])
        done = [p for p in seen if p.epoch_done]
        self.assertEqual([p.epoch for p in done], [1, 2, 3])
        self.assertTrue(all(p.train is None and p.seconds is None for p in seen if not p.epoch_done))
        self.assertLess(done[2].train.loss, done[0].train.loss)
        self.assertTrue(0 < done[2].validation.accuracy <= 1 and done[2].seconds > 0 and done[2].images_per_second > 0)
        self.assertEqual(network.epochs, 3)

    def test_patience(self):
        seen, network = [], Network(**USUAL, patience=2)
        self.assertTrue(network.train(IMAGES, LABELS, 1000, seen.append))
        last = seen[-1]
        self.assertTrue(last.finished and last.epoch < 1000 and not any(p.finished for p in seen[:-1]))
        self.assertEqual(last.best_epoch, last.epoch - 2)
        self.assertAlmostEqual(last.learning_rate, 0.01)

    def test_stopped_training_goes_on(self):
        network = Network(**USUAL)
        self.assertFalse(network.train(IMAGES, LABELS, 4, lambda p: (p.epoch, p.batch) == (2, 3)))
        self.assertEqual(network.epochs, 1)
        path = self.folder / "checkpoint"
        network.save_checkpoint(path, IMAGES, LABELS)
        again = Network.load_checkpoint(path, IMAGES, LABELS)
        for each in network, again:
            self.assertTrue(each.train(IMAGES, LABELS, 4))
            self.assertEqual(each.weights_crc32, trained(4).weights_crc32)
        with self.assertRaisesRegex(ValueError, "other images or labels"):
            Network.load_checkpoint(path, IMAGES[::-1], LABELS)

    def test_exception_in_callback(self):
        network = Network(**USUAL)
        with self.assertRaises(ZeroDivisionError):
            network.train(IMAGES, LABELS, 2, lambda p: 1 // (3 - p.batch) > 1)
        self.assertTrue(network.train(IMAGES, LABELS, 2))
        self.assertEqual(network.weights_crc32, trained(2).weights_crc32)

    def test_network_in_callback(self):
        network, path = Network(**USUAL), self.folder / "model"

        def callback(progress):
            if progress.epoch_done:
                network.save(path)
                self.assertEqual(Network.load(path).weights_crc32, network.weights_crc32)
                with self.assertRaises(MnistFastError) as caught:
                    network.predict(IMAGES)
                self.assertEqual(caught.exception.status, "MNIST_FAST_BUSY")

        self.assertTrue(network.train(IMAGES, LABELS, 1, callback))
        self.assertTrue(path.exists())

    def test_interrupt(self):
        network, batches = Network(**USUAL), []

        def callback(progress):
            batches.append(progress.batch)
            if len(batches) == 3:
                os.kill(os.getpid(), signal.SIGINT)

        with self.assertRaises(KeyboardInterrupt):
            network.train(IMAGES, LABELS, 2, callback)
        self.assertLessEqual(len(batches), 4)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
        self.assertTrue(network.train(IMAGES, LABELS, 2))
        self.assertEqual(network.weights_crc32, trained(2).weights_crc32)

    def test_interrupt_without_callback(self):
        def interrupt(delay):
            while signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until the training has begun
                time.sleep(0.001)
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)

        for delay in range(20):  # at any instant
            thread = threading.Thread(target=interrupt, args=(delay / 1000,))
            thread.start()
            with self.assertRaises(KeyboardInterrupt):
                Network(**USUAL).train(IMAGES, LABELS, 10**6)
            thread.join()

    def test_own_handler_of_signals_stays(self):
        calls = []
        before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
        try:
            network = Network(**USUAL)
            network.train(IMAGES, LABELS, 1, lambda p: p.batch == 1 and os.kill(os.getpid(), signal.SIGINT))
        finally:
            signal.signal(signal.SIGINT, before)
        self.assertTrue(calls)
        self.assertEqual(network.epochs, 1)

    def test_threads(self):
        """Trainings of different networks, and a prediction that waits until the training of its network has ended."""
        network, waiting, found = Network(**USUAL), threading.Event(), []

        def predict():
            waiting.set()
            found.append(network.predict_proba(IMAGES))

        def callback(_):
            if not waiting.is_set():
                threads[0].start()
                waiting.wait()

        networks = [Network(**USUAL) for _ in range(3)]
        threads = [threading.Thread(target=predict)]
        threads += [threading.Thread(target=each.train, args=(IMAGES, LABELS, 2)) for each in networks]
        for thread in threads[1:]:
            thread.start()
        network.train(IMAGES, LABELS, 2, callback)
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(found, [network.predict_proba(IMAGES)])
        self.assertEqual({each.weights_crc32 for each in networks}, {network.weights_crc32})

    def test_save_and_load(self):
        network, path = trained(2), self.folder / "model.safetensors"
        network.save(path)
        again = Network.load(str(path), threads=1, isa="scalar")
        np.testing.assert_array_equal(again.predict_proba(IMAGES), network.predict_proba(IMAGES))
        self.assertEqual(again.weights_crc32, network.weights_crc32)
        self.assertEqual(again.config, network.config)
        self.assertEqual((again.epochs, again.parameter_count), (2, 784 * 20 + 20 + 20 * 12 + 12 + 12 * 10 + 10))
        with self.assertRaises(MnistFastError):
            network.save(self.folder / "none" / "model")

    def test_configuration(self):
        network = Network(7, seed=2**64 - 1, validation_fraction=0.25)
        self.assertEqual(network.config["hidden"], (7,))
        self.assertEqual((network.config["seed"], network.config["validation_fraction"]), (2**64 - 1, 0.25))
        self.assertEqual(Network().config["hidden"], (500, 500, 500))
        network.configure(batch_size=13)
        self.assertEqual(Network(schedule="cosine", schedule_epochs=3).config["schedule"], "cosine")
        self.assertEqual(Network(precision="bf16").config["precision"], "bf16")
        self.assertEqual((network.config["batch_size"], network.config["seed"]), (13, 2**64 - 1))

    def test_load_images(self):
        for part, name in ("train", "train"), ("test", "t10k"):
            images, labels = make_data(20, len(name))
            (self.folder / f"{name}-images-idx3-ubyte").write_bytes(
                struct.pack(">4I", 0x803, 20, 28, 28) + images.tobytes())
            (self.folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 20) + labels.tobytes())
            found = mnist_fast.load_images(self.folder, part)
            np.testing.assert_array_equal(found[0], images)
            np.testing.assert_array_equal(found[1], labels)
        with self.assertRaisesRegex(MnistFastError, "none"):
            mnist_fast.load_images(self.folder / "none", "train")


if __name__ == "__main__":
    unittest.main()
