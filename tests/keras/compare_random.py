#!/usr/bin/env python3
"""Compares random models (random_models.py) with Keras, in both directions.

    python compare_random.py KERAS_TEST [--seed N] [--count M]

Each model is given to keras_test, as a golden file is, with what Keras computes (reference.py).
What Sluice writes of it (Model::to_json) is then read by Keras: layers and settings must be those
of the model, and outputs the same. A seed gives the same model every time. Of one that fails, the
smallest part that fails as well is looked for.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import reference
import random_models
import recipes
import keras
import numpy as np
import tensorflow as tf

MOST_TRIES = 80  # to make a failing model smaller

warnings.simplefilter("ignore")


def usable(record):
    """Neither without bounds, nor so steep that Keras' own float32 tells nothing."""
    def values(text):
        return np.frombuffer(reference.base64.b64decode(text), "<f4")

    for name, text in record["numbers"].items():
        largest = np.max(np.abs(values(text)), initial=0)
        error = record["errors"][name]
        if not largest < 1e3 or not error <= 1e-4 * max(largest, 1):
            return False
        record["errors"][name] = max(error, float(f"{2e-6 * largest:.3g}"))
    return True


def record_of(recipe, seed):
    """None where Keras cannot compute it."""
    try:
        reference.begin("float32")
        weights, x, y = recipes.arrays(recipe, seed)
        record = reference.record(lambda _: recipes.make_model(recipe), weights, x, y,
                                  recipe["tasks"], recipe["optimizer"],
                                  recipes.draws(recipe))
    except (ValueError, TypeError, tf.errors.OpError):
        return None
    return record if usable(record) else None


def drawn(seed):
    for attempt in range(50):
        recipe = random_models.generate(seed, attempt)
        record = record_of(recipe, seed) if recipe else None
        if record:
            return recipe, record
    raise RuntimeError(f"seed {seed} gives no model")


# --- What Sluice writes, read by Keras -----------------------------------------------------------


def settings(model):
    """What layers do, without the keys that only Keras 3 has and Sluice leaves out."""
    result = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            result.append((type(layer).__name__, layer.name, layer.trainable, settings(layer)))
            continue
        config = layer.get_config()
        for key in ("dtype", "quantization_config", "sparse", "ragged", "optional", "renorm",
                    "renorm_clipping", "renorm_momentum", "synchronized"):
            config.pop(key, None)
        if config.get("activity_regularizer") is None:
            config.pop("activity_regularizer", None)
        for value in config.values():
            if isinstance(value, dict):
                value.pop("build_config", None)
                for key in ("input_axes", "output_axes", "dtype", "name", "trainable"):
                    value.get("config", {}).pop(key, None)
        result.append((type(layer).__name__, config, [tuple(w.shape) for w in layer.weights]))
    return result


def difference(a, b, place=""):
    """Where the first is and what is there, or none. 1 for [1] is none."""
    if isinstance(b, list) and len(b) == 1 and not isinstance(a, list):
        b = b[0]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        found = (difference(a[key], b[key], f"{place}.{key}") for key in a)
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        found = (difference(x, y, f"{place}[{i}]") for i, (x, y) in enumerate(zip(a, b)))
    else:
        close = isinstance(a, (int, float)) and isinstance(b, (int, float)) \
            and abs(a - b) <= 1e-6 * abs(a)
        return None if a == b or close else f"{place}: {a} in place of {b}"
    return next(filter(None, found), None)


def read_back(recipe, seed, text):
    """What is wrong with it, or none."""
    reference.begin("float32")
    weights, x, _ = recipes.arrays(recipe, seed)
    reference.begin("float32")
    # As Keras reads its own JSON: it does not tell, for one, that a Sequential inside is frozen.
    model = keras.models.model_from_json(recipes.make_model(recipe).to_json())
    x = x if len(x) > 1 else x[0]
    try:
        read = keras.models.model_from_json(text)
        read.set_weights(weights)
        ours = read(x)
    except Exception as error:  # whatever Keras has to say
        return f"Keras does not read what Sluice writes: {error}\n{text}"
    model.set_weights(weights)
    wrong = difference(settings(read), settings(model))
    if wrong:
        return f"written and read again it has other settings: {wrong}"
    theirs = model(x)
    if isinstance(ours, list) != isinstance(theirs, list):
        return "written and read again it gives a list of one output"
    for our, their in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs)):
        if not np.allclose(our, their, rtol=1e-5, atol=1e-6):
            return "written and read again it computes something else"
    return None


# --- keras_test ----------------------------------------------------------------------------------


def run_keras_test(program, records):
    """What fails, by the records' names, and what Sluice writes of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "random.json").write_text(json.dumps(records))
        (path / "written").mkdir()
        run = subprocess.run(
            [program, "--gtest_filter=random.*", f"--gtest_output=json:{path / 'report'}"],
            env={**os.environ, "SLUICE_KERAS_CASES": folder}, capture_output=True, text=True)
        if run.returncode < 0 or not (path / "report").exists():
            if len(records) == 1:
                return {name: f"keras_test died: {run.stderr[-1000:]}" for name in records}, {}
            failures, written = {}, {}
            for name, record in records.items():
                one, text = run_keras_test(program, {name: record})
                failures.update(one), written.update(text)
            return failures, written
        failures = {}
        for suite in json.loads((path / "report").read_text())["testsuites"]:
            for test in suite["testsuite"]:
                if "failures" in test:
                    failures[test["name"]] = "\n".join(f["failure"] for f in test["failures"])
        written = {p.name: p.read_text() for p in (path / "written").iterdir()}
        return failures, written


def failures_of(program, cases):
    """{name: what is wrong}, of {name: (recipe, seed, record)}."""
    records = {name: record for name, (_, _, record) in cases.items()}
    failures, written = run_keras_test(program, records)
    for name, (recipe, seed, _) in cases.items():
        if name in written and name not in failures:
            wrong = read_back(recipe, seed, written[name])
            if wrong:
                failures[name] = wrong
    return failures


def smallest(program, recipe, seed, failure):
    tries = 0
    progress = True
    while progress:
        progress = False
        try:
            candidates = list(recipes.smaller(recipe))
        except Exception:  # a smaller one that Keras does not take apart
            break
        for candidate in candidates:
            record = record_of(candidate, seed)
            if record is None:
                continue
            tries += 1
            if tries > MOST_TRIES:
                return recipe, failure
            found = failures_of(program, {"smaller": (candidate, seed, record)})
            if found:
                recipe, failure, progress = candidate, found["smaller"], True
                break
    return recipe, failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("keras_test")
    parser.add_argument("--seed", type=int, help="of the first model; without it another each time")
    parser.add_argument("--count", type=int, default=25, help="models, with the seeds that follow")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else int(time.time()) % 1000000
    print(f"seeds {first} to {first + options.count - 1}, keras {keras.__version__}", flush=True)
    failed = 0
    for start in range(first, first + options.count, 25):
        cases = {}
        for seed in range(start, min(start + 25, first + options.count)):
            recipe, record = drawn(seed)
            cases[f"seed_{seed}"] = (recipe, seed, record)
        for name, failure in failures_of(options.keras_test, cases).items():
            failed += 1
            recipe, seed, _ = cases[name]
            print(f"\nseed {seed} fails:\n{failure}", flush=True)
            recipe, failure = smallest(options.keras_test, recipe, seed, failure)
            print(f"the smallest part of it that fails:\n{json.dumps(recipe, indent=1)}\n{failure}"
                  f"\nagain: ./dev test keras --seed {seed} --count 1", flush=True)
    print(f"{options.count - failed} of {options.count} random models are as in Keras")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
