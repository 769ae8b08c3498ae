#!/usr/bin/env python3
"""Writes tests/keras/golden/*.json: what Keras computes for the models of tests/keras/cases.

    pip install keras tensorflow-cpu tf-keras
    python make_golden.py [MODULE ...]

A module of cases becomes a file, a case a line of it. golden_test.cc reads each model from Keras'
JSON, gives it the weights, and compares, on the CPU and on the emulated GPU:

    outputs     in inference mode
    loss        in training mode, penalties of the weights included
    gradients   of that loss, by the names of the weights
    trained     the weights after three steps of SGD(0.1) on the same batch

The numbers are those of Keras in float64. "errors" says how far Keras' own float32 is from them:
what we compute may differ by three times that, or by 1e-5.
"""
import base64
import importlib
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


def text_of(array):
    """Little-endian float32, base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def build(case, k, dtype="float32"):
    """The case's model, with the same names each time."""
    k.backend.clear_session()
    if k is keras:
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
    return case.make(k)


def numbers(case, dtype, weights, x, y):
    model = build(case, keras, dtype)
    model.set_weights(weights)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with copies of its weights
    x = tf.constant(x, x.dtype if x.dtype == np.int32 else dtype)
    result = {"outputs": np.array(model(x, training=False))}
    if case.random:
        return result
    loss_of = keras.losses.get(case.loss)
    optimizer = keras.optimizers.SGD(0.1)
    for step in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loss_of(y.astype(dtype), model(x, training=True)))
            loss += sum(model.losses)
        gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
        if step == 0:
            result["loss"] = np.array(loss)
            for weight, gradient in zip(model.trainable_weights, gradients):
                gradient = tf.convert_to_tensor(gradient)  # of an embedding it is sparse
                name = "/".join(weight.path.split("/")[-2:])  # of a Sequential's without its own
                result[f"gradients/{name}"] = np.array(gradient)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights))
    result["trained"] = flat(model)
    return result


def flat(model):
    """All weights, layer by layer: trainable before others, as in Keras' layer.weights."""
    seen, arrays = set(), []
    for layer in model.layers:
        for weight in layer.weights:
            if id(weight) not in seen and "seed_generator" not in weight.path:
                seen.add(id(weight))
                arrays.append(np.ravel(weight.numpy()))
    return np.concatenate(arrays or [np.zeros(0)])


def golden(case, rng):
    model = build(case, keras)
    weights = [case.weight(rng, w) for w in model.weights]
    model.set_weights(weights)
    flat_weights = flat(model)
    x = case.x(rng, (case.batch, *model.input_shape[1:]))
    y = case.y(rng, (case.batch, *model.output_shape[1:]))
    exact = numbers(case, "float64", weights, x, y)
    single = numbers(case, "float32", weights, x, y)
    record = {
        "keras3": json.loads(build(case, keras).to_json()),
        "loss_function": case.loss,
        "batch": case.batch,
        "x": text_of(x),
        "y": text_of(y),
        "weights": text_of(flat_weights),
        "numbers": {name: text_of(value) for name, value in exact.items()},
        "errors": {
            name: float(f"{np.max(np.abs(value - single[name]), initial=0):.3g}")
            for name, value in exact.items()
        },
    }
    if case.keras2:
        record["keras2"] = json.loads(build(case, tf_keras).to_json())
    return record


def main():
    modules = sys.argv[1:] or sorted(p.stem for p in (HERE / "cases").glob("[!_]*.py"))
    sys.path.insert(0, str(HERE))
    for module in modules:
        lines = []
        for case in importlib.import_module(f"cases.{module}").CASES:
            record = golden(case, np.random.default_rng(1))
            lines.append(f"{json.dumps(case.name)}: {json.dumps(record)}")
            print(f"{module}: {case.name}")
        (HERE / "golden" / f"{module}.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
