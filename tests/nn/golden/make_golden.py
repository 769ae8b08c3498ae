#!/usr/bin/env python3
"""Writes the golden files of tests/nn and checks Sluice's own JSON with real Keras.

    pip install keras tensorflow-cpu tf-keras
    python make_golden.py

Keras 3 and Keras 2 (tf_keras) describe the same models; their summaries and JSON are what the
tests compare with. *.sluice.json are written by Sluice (Model::to_json): this script changes
nothing in them and fails unless both versions of Keras read them as the models they stand for.
"""
import json
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
import tf_keras

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "keras"))
from cases.core import merges, residual  # noqa: E402


def mnist_cnn(k):
    layer = k.layers
    return k.Sequential(
        [
            layer.Input((28, 28, 1), name="input_layer"),
            layer.Conv2D(32, 3, activation="relu", name="conv2d"),
            layer.Conv2D(32, 3, activation="relu", name="conv2d_1"),
            layer.MaxPooling2D(name="max_pooling2d"),
            layer.Flatten(name="flatten"),
            layer.Dense(225, activation="relu", name="dense"),
            layer.Dense(10, activation="softmax", name="dense_1"),
        ],
        name="sequential",
    )


def all_layers(k):
    layer = k.layers
    return k.Sequential(
        [
            layer.Input((28, 30, 3), name="input_layer"),
            layer.Conv2D(8, (3, 5), strides=(2, 1), padding="same", activation="relu",
                         kernel_initializer="he_normal", name="first"),
            layer.AveragePooling2D((2, 3), strides=(1, 2), padding="same", name="average"),
            layer.Conv2D(4, 3, activation="tanh", use_bias=False,
                         kernel_initializer="glorot_normal", name="second"),
            layer.MaxPooling2D(2, name="max"),
            layer.Dropout(0.25, seed=7, name="drop"),
            layer.Activation("sigmoid", name="squash"),
            layer.Flatten(name="flat"),
            layer.Dense(16, kernel_initializer="he_uniform", bias_initializer="ones", name="dense"),
            layer.Dense(10, activation="softmax", kernel_initializer="lecun_normal", name="probs"),
        ],
        name="all_layers",
    )


def two_heads(k):
    """Two inputs, of which one comes in late, and two outputs, of which one is read on."""
    layer = k.layers
    image = layer.Input((5, 5, 2), name="image")
    row = layer.Input((3,), name="row")
    seen = layer.Conv2D(3, 3, activation="relu", name="seen")(image)
    flat = layer.Dense(4, activation="tanh", name="squeezed")(layer.Flatten(name="flat")(seen))
    kind = layer.Dense(3, activation="softmax", name="kind")(flat)
    both = layer.Add(name="both")([kind, layer.Dense(3, name="from_row")(row)])
    place = layer.Dense(2, name="place")(both)
    return k.Model([image, row], [kind, place], name="two_heads")


def nested(k):
    """A Sequential inside a Functional that is called twice."""
    layer = k.layers
    squeeze = k.Sequential(
        [layer.Input((4,), name="input_layer"), layer.Dense(3, activation="tanh", name="a"),
         layer.Dense(4, name="b")], name="squeeze")
    x = layer.Input((4,), name="x")
    block = k.Model(x, layer.Add(name="sum")([squeeze(x), x]), name="block")
    start = layer.Input((4,), name="input")
    return k.Model(start, layer.Dense(2, name="end")(block(block(start))), name="nested")


def flat(arrays):
    return [float(f"{v:.9g}") for a in arrays for v in np.array(a).ravel()]


def head_values(model):
    """One step of two losses with weights, and what Keras measures, as a row of each sample."""
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(rng.uniform(-0.5, 0.5, weight.shape).astype("float32"))
    n = 6
    x = [rng.uniform(-1, 1, (n, *shape[1:])).astype("float32") for shape in model.input_shape]
    classes = rng.integers(0, 3, n)
    place = rng.uniform(-1, 1, (n, 2)).astype("float32")
    sparse, mse = keras.losses.SparseCategoricalCrossentropy(), keras.losses.MeanSquaredError()
    weights = [0.4, 2.5]
    with tf.GradientTape() as tape:
        y = model(x)
        losses = [sparse(classes, y[0]), mse(place, y[1])]
        total = weights[0] * losses[0] + weights[1] * losses[1]
    gradients = tape.gradient(total, [w.value for w in model.trainable_weights])
    model.compile(
        optimizer="sgd", loss=["sparse_categorical_crossentropy", "mse"], loss_weights=weights,
        metrics=[["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")],
                 ["mae", keras.metrics.RootMeanSquaredError(name="root")]])
    # One batch: Keras' own losses of the outputs are means over batches, however many are in each.
    measured = model.evaluate(x, [classes, place], verbose=0, batch_size=n, return_dict=True)
    return json.dumps({
        "layers": [layer.name for layer in model.layers],
        "weights": flat(model.weights),
        "x": [flat([v]) for v in x], "y": [flat([v]) for v in y],
        "targets": [flat([classes]), flat([place])],
        "loss_weights": weights, "losses": [float(v) for v in losses], "loss": float(total),
        "measured": measured,
        "gradients": {w.path: flat([g]) for w, g in zip(model.trainable_weights, gradients)},
    })


def long_names(k):
    layer = k.layers

    class AnOwnLayerWithAVeryLongClassName(layer.Layer):
        def call(self, x):
            return x

    return k.Sequential(
        [
            layer.Input((28, 28, 1)),
            layer.Dense(3, name="exactly_twenty_three_ch"),
            layer.Dense(3, name="exactly_twenty_four_chrs"),
            AnOwnLayerWithAVeryLongClassName(name="short"),
            AnOwnLayerWithAVeryLongClassName(name="also_the_name_of_a_layer_may_be_long"),
            layer.Conv2D(100000, 3, padding="same", name="a name with blanks in it is wrapped"),
        ],
        name="long_names",
    )


def unbuilt(k):
    return k.Sequential([k.layers.Dense(3, name="dense")], name="unbuilt")


def write(name, text):
    (HERE / name).write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")


def summary(model):
    lines = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


def settings(model):
    """What a model's layers do, without the keys that only one version of Keras has."""
    result = []
    for layer in model.layers:
        config = layer.get_config()
        for key in ("dtype", "quantization_config", "activity_regularizer"):
            config.pop(key, None)
        for value in config.values():
            if isinstance(value, dict):
                value.get("config", {}).pop("input_axes", None)
                value.get("config", {}).pop("output_axes", None)
        result.append((type(layer).__name__, config, [tuple(w.shape) for w in layer.weights]))
    return result


def check_sluice_json(k):
    model = k.models.model_from_json((HERE / "residual.sluice.json").read_text())
    assert settings(model) == settings(residual(k)), k.__name__
    assert not isinstance(model.output, list), k.__name__  # it would give lists of one
    x = np.ones((2, 6, 6, 2), "float32")
    expected = residual(k)
    expected.set_weights([np.full(w.shape, 0.1 * i) for i, w in enumerate(model.get_weights())])
    model.set_weights(expected.get_weights())
    assert (model.predict(x, verbose=0) == expected.predict(x, verbose=0)).all()
    model = k.models.model_from_json((HERE / "two_heads.sluice.json").read_text())
    assert settings(model) == settings(two_heads(k)), k.__name__
    assert len(model.inputs) == 2 and len(model.outputs) == 2
    model = k.models.model_from_json((HERE / "all_layers.sluice.json").read_text())
    assert settings(model) == settings(all_layers(k)), k.__name__
    assert model.input_shape == (None, 28, 30, 3)
    assert model.predict(np.zeros((2, 28, 30, 3), "float32"), verbose=0).shape == (2, 10)


def main():
    for make in (mnist_cnn, all_layers, long_names, unbuilt, residual, two_heads, nested):
        write(make.__name__ + ".summary.txt", summary(make(keras)))
    write("two_heads.values.json", head_values(two_heads(keras)))
    for make in (mnist_cnn, all_layers, residual, merges, two_heads, nested):
        write(make.__name__ + ".keras3.json", make(keras).to_json())
        write(make.__name__ + ".keras2.json", make(tf_keras).to_json())
    for k in (keras, tf_keras):
        check_sluice_json(k)


if __name__ == "__main__":
    main()
