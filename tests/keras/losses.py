#!/usr/bin/env python3
"""What Keras makes of every loss, as numbers for tests/backend/cpu/golden_losses_test.cc.

    python tests/keras/losses.py > tests/backend/golden/losses.json

Needs Keras 3 with TensorFlow. Losses and gradients are computed in float64; "error" is how far
Keras' own float32 is from them, which is what a float32 implementation may be off as well.
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

ROWS = 4


def case(loss, config=None, activation="linear", outputs=3, z=None, y=None, weights=None,
         positions=()):
    return dict(loss=loss, config=config or {}, activation=activation, outputs=outputs, z=z, y=y,
                weights=weights, positions=positions)


LOGITS = dict(from_logits=True)


def crossentropies():
    for name, link, smoothed in [("CategoricalCrossentropy", "softmax", True),
                                 ("SparseCategoricalCrossentropy", "softmax", False),
                                 ("BinaryCrossentropy", "sigmoid", True),
                                 ("CategoricalFocalCrossentropy", "softmax", True),
                                 ("BinaryFocalCrossentropy", "sigmoid", True)]:
        for outputs in (2, 5):
            yield case(name, outputs=outputs, z="probabilities")
            yield case(name, activation=link, outputs=outputs)
            yield case(name, LOGITS, outputs=outputs)
        yield case(name, activation=link, z="large")
        yield case(name, activation=link, weights=[0.5, 2, 0, 1])
        if smoothed:
            yield case(name, dict(label_smoothing=0.1), z="probabilities")
            yield case(name, dict(label_smoothing=0.3), activation=link)
            yield case(name, dict(label_smoothing=1.0), activation=link)
    for name in ("BinaryCrossentropy", "BinaryFocalCrossentropy"):
        yield case(name, outputs=1, z="probabilities")
        yield case(name, outputs=1, activation="sigmoid")
        yield case(name, outputs=1, z=[[0], [1], [0], [1]], y=[[1], [0], [0], [1]])
        yield case(name, outputs=2, z="probabilities", y="numbers")
    yield case("CategoricalCrossentropy", z="probabilities", y="numbers")
    # TensorFlow's gradient takes for granted that targets sum to 1.
    yield case("CategoricalCrossentropy", activation="softmax", y="distributions")
    for config in (dict(gamma=0.0), dict(gamma=1.0, alpha=0.7), dict(gamma=0.5)):
        yield case("CategoricalFocalCrossentropy", config, activation="softmax")
        yield case("CategoricalFocalCrossentropy", config, z="probabilities")
        yield case("BinaryFocalCrossentropy", config, activation="sigmoid")
        yield case("BinaryFocalCrossentropy", config, z="probabilities")
    for config in (dict(apply_class_balancing=True), dict(apply_class_balancing=True, alpha=0.9)):
        yield case("BinaryFocalCrossentropy", config, activation="sigmoid")
        yield case("BinaryFocalCrossentropy", config, z="probabilities")
    for config in (dict(ignore_class=1), dict(ignore_class=-1), dict(ignore_class=255)):
        yield case("SparseCategoricalCrossentropy", config, activation="softmax",
                   y=[0, config["ignore_class"], 2, config["ignore_class"]])
    yield case("SparseCategoricalCrossentropy", dict(ignore_class=-1), activation="softmax",
               y=[-1, -1, -1, -1])
    yield case("SparseCategoricalCrossentropy", dict(ignore_class=0), activation="softmax",
               y=[0, 1, 2, 0], weights=[1, 2, 3, 4])


def others():
    for outputs in (1, 4):
        for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError",
                     "LogCosh", "Huber", "CosineSimilarity"):
            yield case(name, outputs=outputs, y="numbers")
        for name in ("MeanSquaredLogarithmicError", "Poisson", "KLDivergence"):
            yield case(name, outputs=outputs, z="probabilities", y="numbers")
        for name in ("Hinge", "SquaredHinge"):
            yield case(name, outputs=outputs, y="signs")
            yield case(name, outputs=outputs, y="bits")
    yield case("Huber", dict(delta=0.25), y="numbers")
    yield case("Huber", dict(delta=5.0), y="numbers")
    yield case("LogCosh", z="large", y="numbers")
    yield case("MeanSquaredLogarithmicError", y="numbers")  # outputs below 0
    yield case("KLDivergence", z=[[0, 0.5, 2], [1, 0.1, 0.1], [0.2, 0.2, 0.6], [0, 0, 1]])
    yield case("MeanAbsoluteError", y="numbers", weights=[2, 0, 0.25, 1])
    for outputs in (2, 5):
        yield case("CategoricalHinge", outputs=outputs)
        yield case("CategoricalHinge", outputs=outputs, z="large")


def of_batches():
    for outputs in (2, 5):
        yield case("CategoricalGeneralizedCrossEntropy", outputs=outputs, z="probabilities")
    yield case("CategoricalGeneralizedCrossEntropy", dict(q=0.9), z="probabilities",
               weights=[0.5, 2, 0, 1])
    tversky = dict(alpha=0.3, beta=0.9)
    yield case("Tversky", tversky, z="probabilities", weights=[0.5, 2, 0, 1])
    yield case("Tversky", dict(tversky, axis=[1, 2]), outputs=2, z="probabilities", y="bits",
               positions=(2, 1))
    yield case("Dice", outputs=1, z="probabilities")
    for axis in (None, -1, [0], [0, 1]):
        yield case("Dice", dict(axis=axis), z="probabilities")
    for axis in (None, [1]):
        yield case("Dice", dict(axis=axis), z="probabilities", weights=[0.5, 2, 0, 1])
    for axis in (None, [1, 2, 3], [0, 1, 2], [1, 2], [0], [-1], [0, 3]):
        yield case("Dice", dict(axis=axis), outputs=2, z="probabilities", y="bits",
                   positions=(2, 1))
    for y in ([0, 0, 1, 1], [7, 0, 0, 2], [0, 0, 0, 1], [3, 3, 3, 3], [0, 1, 2, 3]):
        yield case("Circle", z="unit", y=y)
    for config in (dict(gamma=2.0, margin=0.25), dict(remove_diagonal=False)):
        yield case("Circle", config, z="unit", y=[0, 0, 1, 2])
    yield case("Circle", z="unit", y=[0, 0, 1, 2], weights=[0.5, 2, 0, 1])
    yield case("Circle", dict(gamma=1.0), outputs=5, y=[0, 0, 1, 1])  # norms other than 1


def arrays_of(c, rng):
    """z [rows, K] and y, as float64 of float32 values, so that both types see the same."""
    shape = (ROWS, *c["positions"], c["outputs"])
    z, y = c["z"], c["y"]
    if z is None:
        z = rng.uniform(-3, 3, shape)
    elif z == "unit":
        z = rng.normal(size=shape)
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
    elif z == "large":
        z = rng.uniform(-40, 40, shape)
    elif z == "probabilities":
        z = rng.uniform(0.05, 0.95, shape)
        if c["loss"].startswith(("Categorical", "Sparse")):
            z = z / z.sum(axis=1, keepdims=True)
    classes = rng.integers(0, max(c["outputs"], 2), ROWS)
    if y is None and c["loss"].startswith(("Sparse", "CategoricalGeneralized")):
        y = classes
    elif y is None:
        y = np.eye(c["outputs"])[classes] if c["outputs"] > 1 else classes[:, None]
    elif isinstance(y, str) and y in ("numbers", "distributions"):
        y = rng.uniform(0.1, 0.9, shape)
        if c["y"] == "distributions":
            y = y / y.sum(axis=1, keepdims=True)
    elif isinstance(y, str):
        y = rng.integers(0, 2, shape)
        y.flat[0], y.flat[-1] = 0, 1
        if c["y"] == "signs":
            y = 2 * y - 1
    return tuple(np.asarray(np.asarray(a, "float32"), "float64") for a in (z, y))


def computed(c, z, y, dtype):
    keras.config.set_floatx(dtype)
    loss = getattr(keras.losses, c["loss"]).from_config(c["config"])
    z = tf.constant(z, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        p = z
        if c["activation"] != "linear":
            p = keras.activations.get(c["activation"])(z)
        weights = None if c["weights"] is None else tf.constant(c["weights"], dtype)
        value = loss(tf.constant(y, dtype), p, sample_weight=weights)
    return float(value), np.asarray(tape.gradient(value, z), "float64")


def main():
    rng = np.random.default_rng(7)
    cases = []
    for c in [*crossentropies(), *others(), *of_batches()]:
        z, y = arrays_of(c, rng)
        exact, gradient = computed(c, z, y, "float64")
        rough, rough_gradient = computed(c, z, y, "float32")
        entry = {"loss": {"class_name": c["loss"], "config": c["config"]},
                 "activation": c["activation"], "outputs": c["outputs"],
                 "z": z.flatten().tolist(), "y": y.flatten().tolist()}
        if c["weights"] is not None:
            entry["weights"] = c["weights"]
        if c["positions"]:
            entry["positions"] = list(c["positions"])
        entry["value"] = exact
        entry["error"] = abs(rough - exact)
        entry["gradient"] = gradient.flatten().tolist()
        entry["gradient_error"] = float(np.max(np.abs(rough_gradient - gradient)))
        assert np.all(np.isfinite(gradient)) and np.isfinite(exact), c
        cases.append(entry)
    text = ",\n".join(json.dumps(c) for c in cases)
    sys.stdout.write('{"keras": "%s", "cases": [\n%s\n]}\n' % (keras.__version__, text))


main()
