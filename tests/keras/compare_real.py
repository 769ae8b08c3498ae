#!/usr/bin/env python3
"""Compares real models (real_models.py) with Keras: all files and programs, and a training step.

    python compare_real.py SLUICE KERAS_TEST [--as-drawn] [MODEL ...]

Of each model it prints how far off predictions are by each file (round_trip.py), and whether loss,
gradients and weights after one step of SGD(0.1) are Keras' (golden_test.cc). All is compared with
what Keras computes in float64. The tolerance is 1e-5, or 3 times what Keras' own float32 is off in
the worst of three orders of the samples.

Weights are drawn and then changed a little so that no ReLU or max pooling has to decide by a
rounding error (kinks.py), which makes gradients differ that are right. --as-drawn: without that,
to see how large such differences are. The other programs are not asked to hold for it.
"""
import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import reference
import keras
import kinks
import numpy as np
import real_models
import round_trip

BATCH = 4
MOST_DRAWS = 10


def drawn(make, seed):
    """Weights as Keras draws them, with some noise on those that it sets to 0 or 1; x and y."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    reference.begin("float32")
    model = make(keras)
    weights = [w + rng.normal(0, 0.02, w.shape) * (w.ndim == 1) for w in model.get_weights()]
    x = [rng.uniform(0, 1, (BATCH, *tensor.shape[1:])) for tensor in model.inputs]
    y = [rng.uniform(0, 1, (BATCH, *tensor.shape[1:])) for tensor in model.outputs]
    if model.outputs[0].shape[-1] > 1:
        y = [part / part.sum(-1, keepdims=True) for part in y]
    return ([part.astype("float32") for part in arrays] for arrays in (weights, x, y))


def case_of(make, as_drawn):
    for seed in range(1, MOST_DRAWS + 1):
        weights, x, y = drawn(make, seed)
        if as_drawn:
            return weights, x, y
        weights, is_away = kinks.away_from_kinks(make, weights, x)
        if is_away:
            return weights, x, y
    raise RuntimeError(f"of {MOST_DRAWS} draws none keeps away from kinks")


def step_problems(keras_test, name, record):
    """What golden_test.cc says of it."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "real.json").write_text(json.dumps({name: record}))
        (pathlib.Path(folder) / "written").mkdir()
        done = subprocess.run([keras_test, f"--gtest_filter=real.{name}", "--gtest_brief=1"],
                              env={**os.environ, "SLUICE_KERAS_CASES": folder},
                              capture_output=True, text=True)
    if done.returncode == 0 and "PASSED  ] 1 test" in done.stdout:
        return []
    lines = done.stdout.splitlines()
    found = [b for a, b in zip(lines, lines[1:]) if a.startswith("Expected: ")]
    return found or [f"keras_test: {done.returncode}, {done.stdout[-500:]}{done.stderr[-500:]}"]


def compare(options, name):
    """What is wrong."""
    make, start = real_models.MODELS[name], time.time()
    weights, x, y = case_of(make, options.as_drawn)
    loss = "categorical_crossentropy" if y[0].ndim == 2 else "binary_crossentropy"
    record = reference.record(make, weights, x, y, [{"loss": loss, "weight": 1}], steps=1, orders=3)
    problems = [f"training step: {line}"
                for line in step_problems(options.keras_test, name, record)]
    print(f"{name}: training step: {'differs' if problems else 'the same'}, of "
          f"{sum(w.size for w in weights)} weights", flush=True)
    reference.begin("float32")
    model = make(keras)
    model.set_weights(weights)
    expected = np.frombuffer(base64.b64decode(record["numbers"]["outputs"]), "<f4")
    tolerance = max(1e-5, 3 * record["errors"]["outputs"])
    with tempfile.TemporaryDirectory() as folder:
        trip = round_trip.Trip(options.sluice, folder, model, x)
        for done, result in trip.problems(expected, tolerance).items():
            is_well = isinstance(result, float)
            print(f"{name}: {done}: " + (f"{result:.2g} off" if is_well else "differs"), flush=True)
            if not is_well:
                problems.append(f"{done}: {result}")
    print(f"{name}: {time.time() - start:.0f} s", flush=True)
    for line in problems:
        print(f"{name}: {line}", flush=True)
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sluice")
    parser.add_argument("keras_test")
    parser.add_argument("--as-drawn", action="store_true")
    parser.add_argument("models", nargs="*", metavar="MODEL", default=list(real_models.MODELS))
    options = parser.parse_args()
    failed = [name for name in options.models if compare(options, name)]
    print(f"{len(options.models) - len(failed)} of {len(options.models)} real models are as in "
          f"Keras {keras.__version__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
