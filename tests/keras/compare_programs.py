#!/usr/bin/env python3
"""Takes random models (random_models.py) through all files and programs (round_trip.py).

    python compare_programs.py SLUICE [--seed N] [--count M]

A seed gives the same model every time. What Keras computes in inference mode is compared.
"""
import argparse
import base64
import collections
import json
import sys
import tempfile
import time

import reference
import random_models
import recipes
import keras
import numpy as np
import round_trip
import tensorflow as tf
from compare_random import usable

# Written in operators that no layer of ours has by itself.
UNREADABLE = ["operator Sqrt of node", "operator Mul of node", "operator MatMul of node"]


def drawn(seed):
    """A recipe and its record, of outputs alone."""
    for attempt in range(50):
        recipe = random_models.generate(seed, attempt)
        if not recipe:
            continue
        try:
            reference.begin("float32")
            arrays = recipes.arrays(recipe, seed)
            record = reference.record(lambda _: recipes.make_model(recipe), *arrays,
                                      recipe["tasks"], random=True)
        except (ValueError, TypeError, tf.errors.OpError):
            continue
        if usable(record):
            return recipe, arrays, record
    raise RuntimeError(f"seed {seed} gives no model")


def problems_of(sluice, seed):
    recipe, (weights, x, _), record = drawn(seed)
    reference.begin("float32")
    model = recipes.make_model(recipe)
    model.set_weights(weights)
    reference.finalize_normalizations(model)
    expected = np.frombuffer(base64.b64decode(record["numbers"]["outputs"]), "<f4")
    tolerance = max(1e-5, 3 * record["errors"]["outputs"])
    with tempfile.TemporaryDirectory() as folder:
        trip = round_trip.Trip(sluice, folder, model, x, UNREADABLE)
        return recipe, trip.problems(expected, tolerance)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sluice")
    parser.add_argument("--seed", type=int, help="of the first model; without it another each time")
    parser.add_argument("--count", type=int, default=25, help="models, with the seeds that follow")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else int(time.time()) % 1000000
    worst, failed = collections.Counter(), set()
    for seed in range(first, first + options.count):
        recipe, results = problems_of(options.sluice, seed)
        for name, result in results.items():
            if isinstance(result, float):
                worst[name] = max(worst[name], result)
                continue
            if seed not in failed:
                print(f"\nseed {seed} fails:\n{json.dumps(recipe)}")
            failed.add(seed)
            print(f"{name}: {result}", flush=True)
    for name, error in worst.items():
        print(f"{name}: at most {error:.2g} off")
    print(f"{options.count - len(failed)} of {options.count} random models are the same in all "
          f"files (seeds {first} to {first + options.count - 1}, keras {keras.__version__})")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
