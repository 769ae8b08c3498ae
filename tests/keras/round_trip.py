"""One model through the files of Keras and of Sluice, by the command `sluice`, as people use it.

What Keras saves (.keras, .h5, JSON with .weights.h5) is predicted with by `sluice predict`. What
`sluice convert` makes of it (.keras, .h5, JSON with .weights.h5, ONNX, SavedModel) is loaded by
Keras, by onnxruntime and by tf.saved_model.load; ONNX is read back by `sluice predict`. Weights
that Keras reads must be Keras' own bit for bit.

The tolerance of predictions is the record's (reference.py): 1e-5, or 3 times what Keras' own
float32 is off from its float64. Two programs that add up in another order differ by that much.
"""
import json
import logging
import pathlib
import subprocess
import warnings

import reference
import keras
import numpy as np
import onnxruntime
import tensorflow as tf

logging.getLogger("absl").setLevel("ERROR")
onnxruntime.set_default_logger_severity(3)
MOST_SECONDS = 300  # of one command
BACK = "read back from ONNX"


class Trip:
    """A model with inputs `x`, in a folder of its own. `unreadable`: of its ONNX, what `sluice`
    says where it writes operators that are no layers again."""

    def __init__(self, sluice, folder, model, x, unreadable=()):
        self.sluice, self.model, self.x, self.unreadable = sluice, model, x, unreadable
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.inputs = []
        for tensor, array in zip(model.inputs, x):
            path = self.path(f"input_{len(self.inputs)}.npy")
            np.save(path, array.astype("float32"))
            self.inputs.append(f"{tensor.name}={path}" if len(x) > 1 else path)

    def path(self, name):
        return f"{self.folder}/{name}"

    def run(self, *arguments):
        done = subprocess.run([self.sluice, *map(str, arguments)], capture_output=True, text=True,
                              timeout=MOST_SECONDS)
        if done.returncode:
            raise RuntimeError(f"sluice {arguments[0]}: {done.returncode}, {done.stderr.strip()}")
        return done.stdout

    def ours(self, *model):
        several = len(self.model.outputs) > 1
        path = self.path("out.json" if several else "out.npy")
        self.run("predict", *model, *self.inputs, "--output", path)
        if not several:
            return [np.load(path)]
        records = json.loads(pathlib.Path(path).read_text())
        return [np.array([list(record["outputs"].values())[k] for record in records], "float32")
                for k in range(len(records[0]["outputs"]))]

    def written(self, name):
        path = self.path(name)
        self.run("convert", self.path("keras.keras"), path)
        return path

    def theirs(self, model):
        for ours, keras_own in zip(model.get_weights(), self.model.get_weights(), strict=True):
            if not np.array_equal(ours, keras_own):
                raise RuntimeError("Keras reads other weights")
        x = [tf.constant(array) for array in self.x]
        return [np.array(y) for y in tf.nest.flatten(model(x if len(x) > 1 else x[0]))]

    def keras_by_weights(self):
        self.written("sluice.weights.h5")
        text = pathlib.Path(self.written("sluice.json")).read_text()
        model = keras.models.model_from_json(text)
        model.load_weights(self.path("sluice.weights.h5"))
        return self.theirs(model)

    def by_onnxruntime(self):
        session = onnxruntime.InferenceSession(self.written("sluice.onnx"),
                                               providers=["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]
        return session.run(None, {n: a.astype("float32") for n, a in zip(names, self.x)})

    def by_tensorflow(self):
        loaded = tf.saved_model.load(self.written("saved_model/"))
        function = loaded.signatures["serving_default"]
        summary = json.loads(self.run("summary", self.path("keras.keras"), "--json"))
        names = [value["name"] for value in summary["inputs"]]
        outputs = function(**{n: tf.constant(a, "float32") for n, a in zip(names, self.x)})
        return [outputs[value["name"]].numpy() for value in summary["outputs"]]

    def paths(self):
        """(what is done, function that gives the outputs), in an order that they need."""
        load = keras.models.load_model
        self.model.save(self.path("keras.keras"))
        self.model.save(self.path("keras.h5"))
        self.model.save_weights(self.path("keras.weights.h5"))
        pathlib.Path(self.path("keras.json")).write_text(self.model.to_json())
        yield "Keras' .keras", lambda: self.ours(self.path("keras.keras"))
        yield "Keras' .h5", lambda: self.ours(self.path("keras.h5"))
        yield "Keras' JSON and .weights.h5", lambda: self.ours(
            self.path("keras.json"), "--weights", self.path("keras.weights.h5"))
        yield "our .keras in Keras", lambda: self.theirs(load(self.written("sluice.keras")))
        yield "our .h5 in Keras", lambda: self.theirs(load(self.written("sluice.h5")))
        yield "our JSON and .weights.h5 in Keras", self.keras_by_weights
        yield "our ONNX in onnxruntime", self.by_onnxruntime
        yield "our SavedModel in TensorFlow", self.by_tensorflow
        yield BACK, lambda: self.ours(self.path("sluice.onnx"))

    def problems(self, expected, tolerance):
        """{what was done: how far off it is, or what went wrong}; `expected` as the record has
        it: a sample's outputs one after another."""
        result = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, run in self.paths():
                try:
                    outputs = reference.rows(run()).ravel()
                    error = np.max(np.abs(outputs - expected), initial=0)
                    result[name] = float(error) if error <= tolerance \
                        else f"is off by {error:.3g}, more than {tolerance:.3g}"
                except Exception as problem:  # of any kind: the file was not taken
                    text = f"{type(problem).__name__}: {problem}"
                    known = name == BACK and any(part in text for part in self.unreadable)
                    result[name] = 0.0 if known else text
        return result
