"""The training in Keras on TensorFlow: the model.fit that mnist_fast's network and pipeline come from."""

import common

phases = common.Phases()
import keras  # noqa: E402: importing it is a phase
import tensorflow as tf  # noqa: E402

phases.end("import")


def main(args):
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    keras.utils.set_random_seed(args.seed)
    train, validation, test = [tf.data.Dataset.from_tensor_slices(part) for part in common.load(args)]
    train = train.shuffle(common.SHUFFLE_BUFFER).batch(common.BATCH, num_parallel_calls=tf.data.AUTOTUNE)
    train = train.prefetch(tf.data.AUTOTUNE)
    validation, test = validation.batch(common.BATCH).cache(), test.batch(common.BATCH)
    phases.end("load")

    model = keras.Sequential([keras.Input((common.SIZES[0],)),
                              *(keras.layers.Dense(units, "relu") for units in common.SIZES[1:-1]),
                              keras.layers.Dense(common.SIZES[-1], "softmax")])
    adam = keras.optimizers.Adam(common.LEARNING_RATE, epsilon=common.EPSILON)
    model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    # One step compiles it all; then the weights, and what Adam keeps, are as they were.
    weights = model.get_weights()
    model.fit(train.take(1), validation_data=validation, shuffle=False, verbose=0)
    model.set_weights(weights)
    for variable in adam.variables:
        if variable.name != "learning_rate":
            variable.assign(keras.ops.zeros_like(variable))
    phases.end("compile")

    model.fit(train, epochs=args.epochs, validation_data=validation, shuffle=False, verbose=0)
    phases.end("train")
    loss, accuracy = model.evaluate(test, verbose=0)
    phases.end("test")
    common.report(tf.__version__ + ", Keras " + keras.__version__, phases, loss, accuracy)


main(common.arguments())
