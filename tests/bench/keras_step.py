#!/usr/bin/env python3
"""Seconds of Keras' training step, beside sluice_replica_bench and sluice_precision_bench (their
--keras PYTHON).

    pip install keras tensorflow-cpu
    python keras_step.py MODEL BATCH THREADS POLICY

POLICY is that of dtypes, float32 or mixed_bfloat16. Adam and sparse categorical crossentropy,
compiled as compile() and fit() do by default, XLA included; the batch is a tensor already. Prints
the median of five seconds' steps, in seconds.
"""
import os
import statistics
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf
import keras
from keras import layers


def mnist_cnn():
    return keras.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(225, activation="relu"), layers.Dense(10, activation="softmax")])


def cats_and_dogs():
    model = keras.Sequential([layers.Input((128, 128, 3))])
    for filters in (32, 64, 128):
        for layer in (layers.Conv2D(filters, 3, activation="relu"), layers.BatchNormalization(),
                      layers.MaxPooling2D(), layers.Dropout(0.25)):
            model.add(layer)
    for layer in (layers.Flatten(), layers.Dense(512, activation="relu"),
                  layers.BatchNormalization(), layers.Dropout(0.5),
                  layers.Dense(2, activation="softmax")):
        model.add(layer)
    return model


def resnet20():
    image = layers.Input((32, 32, 3))

    def conv(x, filters, size, stride):
        x = layers.Conv2D(filters, size, stride, padding="same")(x)
        return layers.BatchNormalization()(x)

    x = layers.ReLU()(conv(image, 16, 3, 1))
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            y = conv(layers.ReLU()(conv(x, filters, 3, stride)), filters, 3, 1)
            if stride == 2:
                x = conv(x, filters, 1, 2)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def main():
    name, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    keras.config.set_dtype_policy(sys.argv[4])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1 if threads == 1 else 2)
    model = {"mnist-cnn": mnist_cnn, "cats-and-dogs": cats_and_dogs, "resnet20": resnet20}[name]()
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(1)
    x = tf.constant(rng.uniform(-1, 1, (batch, *model.input_shape[1:])), tf.float32)
    y = tf.constant(rng.integers(0, model.output_shape[1], batch))
    model.train_on_batch(x, y)  # builds the optimizer
    step = model.make_train_function()
    data = [(x, y)]
    times = []
    end = time.perf_counter() + 5
    step(iter(data))
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step(iter(data))
        times.append(time.perf_counter() - begin)
    print(statistics.median(times))


if __name__ == "__main__":
    main()
