"""The training in JAX."""

import functools

import common

phases = common.Phases()
import jax  # noqa: E402: importing it is a phase
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

phases.end("import")


def logits_of(layers, x):
    for i, (weights, bias) in enumerate(layers):
        x = x @ weights + bias
        x = jax.nn.relu(x) if i + 1 < len(layers) else x
    return x


def loss_of(layers, x, y):
    scores = jax.nn.log_softmax(logits_of(layers, x))
    return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()


@jax.jit
def evaluate(layers, x, y):
    logits = logits_of(layers, x)
    scores = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -scores.mean(), (logits.argmax(axis=1) == y).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def step(layers, means, squares, t, images, labels, batch):
    gradients = jax.grad(loss_of)(layers, images[batch], labels[batch])
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
    rate = common.LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    layers = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + common.EPSILON), layers, means, squares)
    return layers, means, squares


def main(args):
    (images, labels), validation, test = [tuple(map(jnp.asarray, part)) for part in common.load(args)]
    phases.end("load")

    key = jax.random.key(args.seed)
    layers = [(jax.nn.initializers.glorot_uniform()(jax.random.fold_in(key, i), shape), jnp.zeros(shape[1]))
              for i, shape in enumerate(zip(common.SIZES, common.SIZES[1:]))]
    means, squares = jax.tree.map(jnp.zeros_like, layers), jax.tree.map(jnp.zeros_like, layers)
    random = np.random.default_rng(args.seed)
    copy = jax.tree.map(jnp.copy, (layers, means, squares))
    jax.block_until_ready([step(*copy, 1.0, images, labels, random.permutation(len(images))[:common.BATCH]),
                           evaluate(layers, *validation), evaluate(layers, *test)])
    phases.end("compile")

    t = 0
    for _ in range(args.epochs):
        order = random.permutation(len(images))
        for i in range(0, len(images), common.BATCH):
            t += 1
            layers, means, squares = step(layers, means, squares, float(t), images, labels, order[i:i + common.BATCH])
        jax.block_until_ready(evaluate(layers, *validation))
    phases.end("train")
    loss, accuracy = jax.block_until_ready(evaluate(layers, *test))
    phases.end("test")
    common.report(jax.__version__, phases, loss, accuracy)


main(common.arguments())
