"""What Keras computes for a model, as a record for golden_test.cc.

    keras3          the model's JSON
    loss_function   a name, or for each output {"loss": as Keras writes it, "weight": number}
    optimizer       as Keras writes it; SGD(0.1) where there is none
    steps           of training; 3 where it is missing
    batch           the number of samples
    x, y            of a model with several inputs or outputs, a sample's one after another
    weights         layer by layer, those of a model inside a model where it stands
    numbers         what is compared:
        outputs       in inference mode
        loss          in training mode, penalties of the weights included
        gradients/W   of that loss, by the names of the weights
        trained       the weights after the steps, all on the same batch
    errors          how far Keras' own float32 is from each of these numbers, which are of float64

Arrays are little-endian float32 in base64. A model that draws in training mode has only outputs.
"""
import base64
import copy
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # which we compute with ourselves
import keras
import numpy as np
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

def text_of(array):
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def begin(dtype):
    """Layers that are made from now on compute in it, and are named from the start again."""
    keras.backend.clear_session()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def named_weights(model, prefix=""):
    """(name, weight), layer by layer: trainable before others, as in Keras' layer.weights."""
    seen = set()
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found = named_weights(layer, f"{prefix}{layer.name}/")
        else:
            found = ((f"{prefix}{layer.name}/{w.name}", w) for w in layer.weights)
        for name, weight in found:
            if id(weight) not in seen and "seed_generator" not in weight.path:
                seen.add(id(weight))
                yield name, weight


def flat(model):
    arrays = [np.ravel(weight.numpy()) for _, weight in named_weights(model)]
    return np.concatenate(arrays or [np.zeros(0)])


def rows(arrays):
    """Of each sample, what all arrays have."""
    return np.concatenate([np.reshape(a, (len(a), -1)) for a in arrays], axis=1)


def finalize_normalizations(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            finalize_normalizations(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with copies of its weights


def numbers(make, dtype, weights, x, y, tasks, optimizer, random, steps):
    begin(dtype)
    model = make(keras)
    model.set_weights(weights)
    finalize_normalizations(model)
    x = [tf.constant(a, a.dtype if a.dtype == np.int32 else dtype) for a in x]
    x = x if len(x) > 1 else x[0]
    result = {"outputs": rows([np.array(a) for a in tf.nest.flatten(model(x, training=False))])}
    if random:
        return result
    y = [tf.constant(a, dtype) for a in y]
    losses = [keras.losses.get(copy.deepcopy(task["loss"])) for task in tasks]
    optimizer = keras.optimizers.get(copy.deepcopy(optimizer))  # it changes what it is given
    names = {id(weight): name for name, weight in named_weights(model)}
    for step in range(steps):
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(model(x, training=True))
            loss = sum(task["weight"] * tf.reduce_mean(loss_of(truth, output))
                       for task, loss_of, truth, output in zip(tasks, losses, y, outputs))
            loss += sum(model.losses)
        gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
        # On TensorFlow an embedding's is a list of rows: where a row is in it twice, optimizers
        # square each for itself, which they do on no other backend.
        gradients = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
        if step == 0:
            result["loss"] = np.array(loss)
            for weight, gradient in zip(model.trainable_weights, gradients):
                if gradient is not None:
                    result[f"gradients/{names[id(weight)]}"] = np.array(gradient)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights))
    optimizer.finalize_variable_values(model.trainable_variables)
    result["trained"] = flat(model)
    return result


def errors(exact, orders, make, weights, x, y, *arguments):
    """How far float32 is from these numbers, in the worst of so many orders of the samples."""
    worst = dict.fromkeys(exact, 0.0)
    for places in range(orders):
        rolled = [[np.roll(a, places, axis=0) for a in arrays] for arrays in (x, y)]
        single = numbers(make, "float32", weights, *rolled, *arguments)
        single["outputs"] = np.roll(single["outputs"], -places, axis=0)
        for name, value in exact.items():
            error = np.max(np.abs(value - single[name]), initial=0)
            worst[name] = max(worst[name], float(f"{error:.3g}"))
    return worst


def record(make, weights, x, y, tasks, optimizer=None, random=False, steps=3, orders=1):
    """`make` gives the model, of Keras, with the same names each time; `weights` are as
    model.set_weights() takes them, x and y lists. `tasks` have a loss and a weight each. `orders`
    as for errors(): normalizations of few samples make rounding errors large, and then a single
    run tells little of how large."""
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
    arguments = (weights, x, y, tasks, optimizer or sgd, random, steps)
    exact = numbers(make, "float64", *arguments)
    of_float32 = errors(exact, orders, make, *arguments)
    begin("float32")
    model = make(keras)
    model.set_weights(weights)
    one = len(tasks) == 1 and tasks[0]["weight"] == 1 and isinstance(tasks[0]["loss"], str)
    return {
        "keras3": json.loads(model.to_json()),
        "loss_function": tasks[0]["loss"] if one else tasks,
        **({"optimizer": optimizer} if optimizer else {}),
        **({"steps": steps} if steps != 3 else {}),
        "batch": len(x[0]),
        "x": text_of(rows(x)),
        "y": text_of(rows(y)),
        "weights": text_of(flat(model)),
        "numbers": {name: text_of(value) for name, value in exact.items()},
        "errors": of_float32,
    }
