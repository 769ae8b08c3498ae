#!/usr/bin/env python3
"""Writes tests/keras/files: small files as Keras saves them, and what Keras makes of each; and
small files of h5py and zipfile into tests/fuzz/corpus.

    build/keras-venv/bin/python tests/keras/make_files.py
    PYTHONPATH=FOLDER build/keras-venv/bin/python tests/keras/make_files.py keras2

The second writes those of Keras 2, by the package tf-keras, which pip has put into a FOLDER of its
own (pip install --no-deps --target FOLDER tf-keras==2.21.0).

Of each model NAME there is NAME.json: inputs "x", targets "y" and sample outputs, as they are after
loading; and "trained", all weights after three more steps on them. Which files there are of it says
"files"; .keras files are deflated here, which Keras' own are not.
"""

import json
import os
import pathlib
import sys
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np

KERAS2 = sys.argv[1:] == ["keras2"]
if KERAS2:
    import tf_keras as keras
else:
    import keras
layers, optimizers = keras.layers, keras.optimizers
FOLDER = pathlib.Path(__file__).resolve().parent / "files"
SAMPLES = 6


def cnn():
    model = keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu", padding="same"),
            layers.BatchNormalization(momentum=0.8),
            layers.Dropout(0.0),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4, activation="hard_sigmoid"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def nested():
    """Two inputs, two outputs, a shared layer, models inside with something frozen."""
    image, text = layers.Input((4, 4, 1), name="image"), layers.Input((3,), name="text")
    inner = keras.Sequential(
        [
            layers.Input((4, 4, 1)),
            layers.Conv2D(2, 2),
            layers.BatchNormalization(momentum=0.7),
            layers.Flatten(),
            layers.Dense(3),
        ],
        name="inner",
    )
    inner.layers[0].trainable = False
    a = layers.Input((3,))
    function = keras.Model(a, layers.Dense(3, activation="tanh")(a), name="function")
    shared = layers.Dense(3, activation="elu", name="zz_shared")
    x, y = shared(inner(image)), shared(function(text))
    merged = layers.Concatenate()([x, y])
    model = keras.Model(
        [image, text],
        [
            layers.Dense(2, activation="softmax", name="classes")(merged),
            layers.Dense(1, name="number")(layers.Add()([x, y])),
        ],
    )
    model.compile(
        optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        loss=["categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.5],
        metrics=[["accuracy"], ["mae"]],
    )
    return model


def kinds():
    """Layers whose weights come in an order of their own."""
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(5).normal(1, 3, (20, 5, 5, 2)).astype("float32"))
    model = keras.Sequential(
        [
            layers.Input((5, 5, 2)),
            normalization,
            layers.SeparableConv2D(4, 3, depth_multiplier=2),
            layers.GroupNormalization(groups=2),
            layers.PReLU(shared_axes=[1, 2]),
            layers.DepthwiseConv2D(2),
            layers.LayerNormalization(),
            layers.Conv2DTranspose(2, 2, activation=keras.activations.softplus),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    model.layers[2].trainable = KERAS2
    model.compile(
        optimizers.RMSprop(0.01, momentum=0.5, centered=True, use_ema=True),
        keras.losses.Huber(delta=0.7),
        metrics=["mae", keras.metrics.RootMeanSquaredError(name="root")],
    )
    return model


def optimizer_case(optimizer):
    def build():
        model = keras.Sequential(
            [layers.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(2)]
        )
        model.compile(optimizer(), "mse")
        return model

    return build


def cases():
    if KERAS2:
        yield "keras2_cnn", cnn, ["keras", "h5", "weights_legacy.h5"], 1
        yield "keras2_nested", nested, ["keras", "h5"], 1
        yield "keras2_kinds", kinds, ["keras"]
        yield "keras2_sgd", optimizer_case(optimizers.SGD), ["keras"]
        return
    yield "cnn", cnn, ["keras", "h5", "weights.h5"], 1
    yield "nested", nested, ["keras", "h5"], 1
    yield "kinds", kinds, ["keras", "h5"]
    o = optimizers
    averaged = {"use_ema": True, "ema_momentum": 0.9}
    schedule = o.schedules.ExponentialDecay(0.1, 3, 0.5)
    for name, make in {
        "sgd": lambda: o.SGD(schedule),
        "sgd_momentum": lambda: o.SGD(0.1, momentum=0.8, **averaged),
        "rmsprop": lambda: o.RMSprop(0.01, momentum=0.5),
        "rmsprop_centered": lambda: o.RMSprop(0.01, centered=True, weight_decay=0.01),
        "adagrad": lambda: o.Adagrad(0.05, **averaged),
        "adadelta": lambda: o.Adadelta(1.0, **averaged),
        "adam": lambda: o.Adam(0.01, clipnorm=0.5, **averaged),
        "amsgrad": lambda: o.Adam(0.01, amsgrad=True, **averaged),
        "adamw": lambda: o.AdamW(0.01, weight_decay=0.02),
        "adamax": lambda: o.Adamax(0.01, **averaged),
        "nadam": lambda: o.Nadam(0.01, **averaged),
        "lion": lambda: o.Lion(0.01, **averaged),
        "ftrl": lambda: o.Ftrl(0.05, **averaged),
    }.items():
        yield "optimizer_" + name, optimizer_case(make), ["keras"]


def deflate(path):
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members:
            archive.writestr(name, content)


def numbers(arrays):
    return [[float(str(v)) for v in np.float32(array).ravel()] for array in arrays]


def listed(value):
    return value if isinstance(value, (list, tuple)) else [value]


def write(name, build, files, classes=0):
    """`classes`: how many outputs, the first, are of classes."""
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(3)
    model = build()
    x = [rng.normal(0, 1, (SAMPLES, *i.shape[1:])).astype("float32") for i in model.inputs]
    y = []
    for output in model.outputs:
        target = rng.normal(0, 1, (SAMPLES, *output.shape[1:])).astype("float32")
        if len(y) < classes:
            target = np.eye(output.shape[-1], dtype="float32")[target.argmax(-1)]
        y.append(target)
    one = lambda arrays: arrays[0] if len(arrays) == 1 else arrays
    for _ in range(2):
        model.train_on_batch(one(x), one(y))
    for ending in files:
        path = FOLDER / f"{name}.{ending}"
        if "weights" in ending:
            model.save_weights(path)
        else:
            model.save(path)
        if ending == "keras":
            deflate(path)
    model = keras.models.load_model(FOLDER / f"{name}.keras")
    predictions = listed(model.predict(one(x), verbose=0))
    for _ in range(3):
        model.train_on_batch(one(x), one(y))
    golden = {
        "files": files,
        "x": numbers(x),
        "y": numbers(y),
        "predictions": numbers(predictions),
        "iterations": 2,
        "trained": [v for w in numbers(model.weights) for v in w],
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(golden) + "\n")


def write_corpus():
    """Small files of h5py and of Python's zipfile, for tests/formats and tests/fuzz."""
    import h5py
    import ml_dtypes

    corpus = FOLDER.parents[1] / "fuzz" / "corpus"

    def hdf5(name, **options):
        return h5py.File(corpus / "hdf5" / name, "w", **options)

    with hdf5("plain.h5") as file:
        file["a"] = np.arange(3, dtype="f4")
        file["b/c"] = np.int64(5)
        file["h"] = np.arange(2, dtype="f2")
        file.attrs["s"] = "text"
        file.attrs["l"] = ["x", "yy"]
        file.attrs["f"] = [b"abc", b"de"]
        file.attrs["e"] = []
    with hdf5("chunks.h5") as file:
        data = np.arange(60, dtype="f4").reshape(10, 6)
        file.create_dataset("z", data=data, chunks=(4, 4), compression="gzip", shuffle=True)
    with hdf5("latest.h5", libver="latest") as file:
        file["a"] = np.arange(3, dtype=">f8")
        file.create_group("g")["x"] = np.float32(1)
        file.attrs["s"] = "text"
    with hdf5("links.h5") as file:
        file["a"] = np.float32(1)
        file["s"] = h5py.SoftLink("/a")
    with hdf5("bfloat16.h5") as file:
        data = np.arange(4).astype(ml_dtypes.bfloat16)
        file.create_dataset("0", data=data).attrs["dtype"] = "bfloat16"
    for name, method in ("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(corpus / "zip" / f"{name}.zip", "w", method) as archive:
            archive.writestr("config.json", '{"a": 1}' * 9)
            archive.writestr("a", "b")
    with zipfile.ZipFile(corpus / "zip" / "zip64.zip", "w") as archive:
        with archive.open("a", "w", force_zip64=True) as member:
            member.write(b"hello")


FOLDER.mkdir(exist_ok=True)
if not KERAS2:
    write_corpus()
for case in cases():
    write(*case)
