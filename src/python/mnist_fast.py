"""Train and run recognisers of handwritten digits with libmnistfast, on NumPy arrays.

    import mnist_fast
    images, labels = mnist_fast.load_images("data", "train")
    network = mnist_fast.Network(hidden=(500, 500, 500), seed=1)
    network.train(images, labels, epochs=5)
    digits = network.predict(images[:10])

Images are uint8 arrays of shape (N, 28, 28) or (N, 784), 0 = background, 255 = ink; labels are N integers from 0 to 9.
C-contiguous images, and labels of uint8, are used where they are, without a copy.

The library is the file that the environment's MNIST_FAST_LIBRARY names, else the one of the built checkout or of the
installation that this module is in, else the one that the system's loader finds.

Threads: the library computes on its own threads, and the GIL is released meanwhile. A network does one thing at a time:
its own lock makes other Python threads wait. Different networks run at the same time.
SPDX-License-Identifier: MIT
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import numpy as np

__all__ = ["Evaluation", "Metrics", "MnistFastError", "Network", "Progress", "load_images"]

PIXELS, CLASSES, MAX_HIDDEN = 784, 10, 16


class MnistFastError(Exception):
    """What a function of the library reported; status is its name, such as "MNIST_FAST_BAD_FILE"."""

    def __init__(self, status: str, text: str):
        super().__init__(text)
        self.status = status


class Metrics(NamedTuple):
    loss: float  # mean cross-entropy, natural logarithm
    accuracy: float  # 0 to 1


class Evaluation(NamedTuple):
    loss: float
    accuracy: float
    confusion: np.ndarray  # counts, uint32: confusion[true, predicted]


class Progress(NamedTuple):
    """What the callback of Network.train is told, after every batch and every epoch."""

    epoch: int  # from 1
    epochs: int
    batch: int  # from 1
    batches: int
    learning_rate: float  # of this step
    best_epoch: int  # that patience has kept; 0: none
    finished: bool  # all epochs are done, or patience has ended them
    epoch_done: bool  # an epoch is complete and validated; the members below are None until then
    seconds: Optional[float]  # of this epoch, with its validation
    train: Optional[Metrics]
    validation: Optional[Metrics]  # NaN where no images are held out
    images_per_second: Optional[float]

    @classmethod
    def _read(cls, p: _Progress) -> Progress:
        train, validation = (Metrics(m.loss, m.accuracy) for m in (p.train, p.validation))
        done = (p.seconds, train, validation, p.images_per_second) if p.epoch_done else (None,) * 4
        return cls(p.epoch, p.epochs, p.batch, p.batches, p.learning_rate, p.best_epoch, bool(p.finished),
                   bool(p.epoch_done), *done)


# The structures and functions below are those of mnist_fast.h.
def _structure(name: str, **fields: Any) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


_int, _size, _float, _double, _pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_float, ctypes.c_double, ctypes.c_void_p
_Error = _structure("_Error", text=ctypes.c_char * 512)
_Runtime = _structure("_Runtime", size=_size, isa=ctypes.c_char_p, threads=_int)
_Images = _structure("_Images", pixels=_pointer, labels=_pointer, count=_size)
_Config = _structure("_Config", size=_size, hidden=_int * MAX_HIDDEN, hidden_count=_int, batch_size=_int,
                     learning_rate=_float, beta1=_float, beta2=_float, epsilon=_float, validation_fraction=_double,
                     shuffle_buffer=_int, seed=ctypes.c_uint64, weight_decay=_double, patience=_int, schedule=_int,
                     schedule_epochs=_int, warmup_steps=_int, precision=_int, rotation=_double, shear=_double,
                     scale=_double, shift=_double, elastic=_double)
_NAMES = {"schedule": ("constant", "cosine"), "precision": ("fp32", "bf16")}
_Position = _structure("_Position", epoch=_int, batch=_int, step=ctypes.c_uint64)
_Metrics = _structure("_Metrics", loss=_double, accuracy=_double)
_Progress = _structure("_Progress", epoch=_int, epochs=_int, batch=_int, batches=_int, epoch_done=_int, seconds=_double,
                       train=_Metrics, validation=_Metrics, images_per_second=_double, learning_rate=_double,
                       best_epoch=_int, finished=_int)
_Callback = ctypes.CFUNCTYPE(_int, ctypes.POINTER(_Progress), _pointer)


def _open_library() -> ctypes.CDLL:
    soname, here = "libmnistfast.so.0", Path(__file__).resolve().parent
    named = os.environ.get("MNIST_FAST_LIBRARY")
    # Of a checkout, src/python/mnist_fast.py; of an installation, share/mnist_fast/python/mnist_fast.py.
    candidates = [here / "../../build" / soname, here / "../../../lib" / soname]
    found = [named] if named else [path for path in candidates if path.exists()]
    try:
        return ctypes.CDLL(str(found[0]) if found else soname)
    except OSError as error:
        raise OSError(f"{error}; run make, or set MNIST_FAST_LIBRARY to the path of {soname}") from None


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    p, i, u32, text = _pointer, _int, ctypes.c_uint32, ctypes.c_char_p
    for name, result, arguments in [
        ("status_name", text, [i]), ("version", text, []),
        ("load_images", i, [text, i, i, p, p]), ("free_images", None, [p]), ("images_crc32", u32, [p]),
        ("default_config", None, [p, _size]), ("get_config", None, [p, p, _size]), ("set_config", i, [p, p, p]),
        ("create", i, [p, p, p, p]), ("free", None, [p]), ("get_position", _Position, [p]),
        ("isa", text, [p]), ("threads", i, [p]), ("parameter_count", _size, [p]), ("weights_crc32", u32, [p]),
        ("train", i, [p, p, i, _Callback, p, p]), ("predict", i, [p, p, p, p, p]), ("evaluate", i, [p, p, p, p, p]),
        ("load", i, [text, p, p, p]), ("load_checkpoint", i, [text, p, p, p, p]),
        ("save", i, [p, text, p]), ("save_checkpoint", i, [p, text, u32, p]),
    ]:
        function = getattr(library, "mnist_fast_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _declare(_open_library())
__version__ = _library.mnist_fast_version().decode()  # of the library


def _call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a status and takes a mnist_fast_error last."""
    error = _Error()
    status = getattr(_library, "mnist_fast_" + name)(*arguments, ctypes.byref(error))
    if status:
        raise MnistFastError(_library.mnist_fast_status_name(status).decode(), error.text.decode(errors="replace"))


def _pixels(images: Any) -> np.ndarray:
    found = getattr(images, "dtype", type(images).__name__)
    if found != np.uint8:
        raise TypeError(f"images: expected a uint8 array, 0 to 255, found {found}; "
                        "scale values of 0 to 1 with (images * 255).round().astype(numpy.uint8)")
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (PIXELS,)):
        raise ValueError(f"images: expected shape (N, 28, 28) or (N, 784), found {images.shape}; one is image[None]")
    return np.ascontiguousarray(images)


def _digits(labels: Any, count: int) -> np.ndarray:
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels: expected integers, found {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"labels: expected shape ({count},), one for each image, found {labels.shape}")
    if count and not 0 <= labels.min() <= labels.max() < CLASSES:
        raise ValueError(f"labels: expected 0 to 9, found {labels.min()} to {labels.max()}")
    return np.ascontiguousarray(labels, np.uint8)


def _describe(images: Any, labels: Any = None) -> _Images:
    pixels = _pixels(images)
    digits = None if labels is None else _digits(labels, len(pixels))
    described = _Images(pixels.ctypes.data, None if digits is None else digits.ctypes.data, len(pixels))
    described.arrays = pixels, digits  # they must live as long as the pointers
    return described


def _fit(type_: Any, name: str, value: Any) -> Any:
    """The value, unless it has more bits than the C type, of which ctypes would drop some."""
    if isinstance(value, int) and type_ in (_int, ctypes.c_uint64) and type_(value).value != value:
        raise ValueError(f"{name}: {value} is out of range")
    return value


def _change(config: _Config, options: dict[str, Any]) -> _Config:
    types = dict(_Config._fields_)
    for name, value in options.items():
        if name == "hidden":
            layers = [value] if isinstance(value, int) else list(value)
            if len(layers) > MAX_HIDDEN:
                raise ValueError(f"hidden: expected at most {MAX_HIDDEN} layers, found {len(layers)}")
            config.hidden_count = len(layers)
            config.hidden = types["hidden"](*(_fit(_int, name, units) for units in layers))
        elif name in ("size", "hidden_count") or name not in types:
            raise TypeError(f"{name}: there is no such option")
        else:
            if name in _NAMES:
                if value not in _NAMES[name]:
                    raise ValueError(f"{name}: expected one of {_NAMES[name]}, found {value!r}")
                value = _NAMES[name].index(value)
            setattr(config, name, _fit(types[name], name, value))
    return config


def _runtime(isa: Optional[str], threads: int) -> _Runtime:
    return _Runtime(ctypes.sizeof(_Runtime), None if isa is None else isa.encode(), _fit(_int, "threads", threads))


def load_images(folder: str | os.PathLike[str], part: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads the images (N, 28, 28) and labels (N,) of part "train" or "test" of MNIST's files in a folder."""
    if part not in ("train", "test"):
        raise ValueError(f'part: expected "train" or "test", found {part!r}')
    loaded = _Images()
    _call("load_images", os.fsencode(folder), int(part == "test"), 1, ctypes.byref(loaded))
    pixels = ctypes.string_at(loaded.pixels, loaded.count * PIXELS)
    labels = ctypes.string_at(loaded.labels, loaded.count)
    _library.mnist_fast_free_images(ctypes.byref(loaded))
    return np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8)


class Network:
    """A fully connected network: 784 inputs, hidden layers with ReLU, 10 outputs with softmax, trained by Adam.

    hidden: the units of each hidden layer. Other options are those of mnist_fast_config: batch_size, learning_rate,
    beta1, beta2, epsilon, validation_fraction, shuffle_buffer, seed, weight_decay, patience, schedule ("constant",
    "cosine"), schedule_epochs, warmup_steps, precision ("fp32", "bf16"), rotation, shear, scale, shift, elastic. isa
    and threads say how to compute; None and 0 choose what is best on this machine. The result is the same with all of them.
    """

    def __init__(self, hidden: int | tuple[int, ...] = (500, 500, 500), *, isa: Optional[str] = None, threads: int = 0,
                 **options: Any):
        config = _Config()
        _library.mnist_fast_default_config(ctypes.byref(config), ctypes.sizeof(config))
        _change(config, {"hidden": hidden, **options})
        self._open("create", ctypes.byref(config), _runtime(isa, threads))

    def _open(self, function: str, first: Any, runtime: _Runtime, *last: Any) -> None:
        self._lock, self._handle = threading.RLock(), _pointer()  # a callback may use the getters and save
        _call(function, first, ctypes.byref(runtime), ctypes.byref(self._handle), *last)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, isa: Optional[str] = None, threads: int = 0) -> Network:
        """Reads a model, a checkpoint, or a safetensors file of linear layers by another program."""
        network = cls.__new__(cls)
        network._open("load", os.fsencode(path), _runtime(isa, threads))
        return network

    @classmethod
    def load_checkpoint(cls, path: str | os.PathLike[str], images: Any, labels: Any, *, isa: Optional[str] = None,
                        threads: int = 0) -> Network:
        """Reads a checkpoint, from which training goes on. images and labels: the same that it was trained on."""
        network, crc32, data = cls.__new__(cls), ctypes.c_uint32(), _describe(images, labels)
        network._open("load_checkpoint", os.fsencode(path), _runtime(isa, threads), ctypes.byref(crc32))
        if crc32.value != _library.mnist_fast_images_crc32(ctypes.byref(data)):
            raise ValueError(f"{os.fspath(path)}: a checkpoint of a training on other images or labels")
        return network

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library.mnist_fast_free(self._handle)

    def _locked(self, name: str, *arguments: Any) -> None:
        with self._lock:
            _call(name, self._handle, *arguments)

    def _get(self, name: str) -> Any:
        with self._lock:
            return getattr(_library, "mnist_fast_" + name)(self._handle)

    def train(self, images: Any, labels: Any, epochs: int, callback: Callable[[Progress], Any] | None = None) -> bool:
        """Trains until the network has `epochs` epochs behind it in all; False: the callback stopped it before.

        The callback may read the network and save it. A true value that it returns stops the training after this batch,
        and so does an exception, which train raises again, and Ctrl-C. Another call goes on from there.
        """
        data, raised, interrupted, stopped = _describe(images, labels), [], threading.Event(), False

        def call(progress: Any, _user: Any) -> int:
            try:  # an exception must not pass through the library
                return int(interrupted.is_set() or bool(callback and callback(Progress._read(progress.contents))))
            except BaseException as error:
                raised.append(error)
                return 1

        # Python's own handler would raise anywhere in call(), or before its first line.
        own = (threading.current_thread() is threading.main_thread()
               and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if own:
            signal.signal(signal.SIGINT, lambda *_: interrupted.set())
        try:
            self._locked("train", ctypes.byref(data), _fit(_int, "epochs", epochs), _Callback(call), None)
        except MnistFastError as error:
            if error.status != "MNIST_FAST_STOPPED":
                raise
            stopped = True
        finally:
            if own:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if raised:
            raise raised[0]
        if interrupted.is_set():
            raise KeyboardInterrupt
        return not stopped

    def predict(self, images: Any) -> np.ndarray:
        """The digit of each image: uint8 (N,)."""
        data = _describe(images)
        digits = np.empty(data.count, np.uint8)
        self._locked("predict", ctypes.byref(data), digits.ctypes.data, None)
        return digits

    def predict_proba(self, images: Any) -> np.ndarray:
        """The probability of each digit for each image: float32 (N, 10)."""
        data = _describe(images)
        probabilities = np.empty((data.count, CLASSES), np.float32)
        self._locked("predict", ctypes.byref(data), None, probabilities.ctypes.data)
        return probabilities

    def evaluate(self, images: Any, labels: Any) -> Evaluation:
        """Loss, accuracy and confusion matrix over labelled images."""
        data, metrics, confusion = _describe(images, labels), _Metrics(), np.empty((CLASSES, CLASSES), np.uint32)
        self._locked("evaluate", ctypes.byref(data), ctypes.byref(metrics), confusion.ctypes.data)
        return Evaluation(metrics.loss, metrics.accuracy, confusion)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model (safetensors); the file is replaced as a whole or not at all."""
        self._locked("save", os.fsencode(path))

    def save_checkpoint(self, path: str | os.PathLike[str], images: Any, labels: Any) -> None:
        """Writes all that training needs to go on with the same images and labels."""
        data = _describe(images, labels)
        self._locked("save_checkpoint", os.fsencode(path), _library.mnist_fast_images_crc32(ctypes.byref(data)))

    def configure(self, **options: Any) -> None:
        """Changes what the next training does; the hidden layers must stay."""
        self._locked("set_config", ctypes.byref(_change(self._config(), options)))

    def _config(self) -> _Config:
        config = _Config()
        with self._lock:
            _library.mnist_fast_get_config(self._handle, ctypes.byref(config), ctypes.sizeof(config))
        return config

    @property
    def config(self) -> dict[str, Any]:
        """The options of this network, by name."""
        config = self._config()
        options = {name: getattr(config, name) for name, _ in _Config._fields_[3:]}
        options.update({name: names[options[name]] for name, names in _NAMES.items()},
                       hidden=tuple(config.hidden[:config.hidden_count]))
        return options

    epochs = property(lambda self: self._get("get_position").epoch, doc="Complete epochs of training.")
    isa = property(lambda self: self._get("isa").decode(), doc="The instruction set in use.")
    threads = property(lambda self: self._get("threads"), doc="The threads in use.")
    parameter_count = property(lambda self: self._get("parameter_count"), doc="Weights and biases.")
    weights_crc32 = property(lambda self: self._get("weights_crc32"), doc="zlib's crc32 over the weights.")
