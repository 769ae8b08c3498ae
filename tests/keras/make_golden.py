#!/usr/bin/env python3
"""Writes tests/keras/golden/*.json: what Keras computes for the models of tests/keras/cases.

    pip install keras tensorflow-cpu tf-keras
    python make_golden.py [MODULE | MODULE/CASE ...]

A module of cases becomes a file, a case a line of it, with the numbers that reference.py lists.
Where cases are named, or new, the other lines stay: last digits differ from machine to machine.
golden_test.cc reads each model from Keras' JSON, gives it the weights, and compares, on the CPU and
on the emulated GPU: what we compute may differ by three times what Keras' own float32 does, or by
1e-5.
"""
import importlib
import json
import pathlib
import sys

import reference
import keras
import kinks
import numpy as np
import tf_keras

HERE = pathlib.Path(__file__).parent


def golden(case, rng):
    reference.begin("float32")
    model = case.make(keras)
    weights = [case.weight(rng, w) for w in model.weights]
    x = [case.x(rng, (case.batch, *tensor.shape[1:])) for tensor in model.inputs]
    y = [case.y(rng, (case.batch, *tensor.shape[1:])) for tensor in model.outputs]
    tasks = [{"loss": case.loss, "weight": 1} for _ in y]
    options = {"random": case.random}
    if case.real:
        weights, is_away = kinks.away_from_kinks(case.make, weights, x)
        if not is_away:
            raise RuntimeError(f"{case.name}: a rectifier decides by a rounding error")
        options = {"steps": 1, "orders": 3}
    record = reference.record(case.make, weights, x, y, tasks, **options)
    if case.keras2:
        tf_keras.backend.clear_session()
        record["keras2"] = json.loads(case.make(tf_keras).to_json())
    return record


def lines_of(path):
    """By the names of the cases."""
    if not path.exists():
        return {}
    lines = path.read_text().strip()[1:-1].split(",\n")
    return {json.loads(line[:line.index(": ")]): line for line in lines}


def write(module, wanted):
    """The golden file of a module; `wanted` are the cases to compute, None all of them."""
    path = HERE / "golden" / f"{module}.json"
    old = lines_of(path)
    lines = []
    for case in importlib.import_module(f"cases.{module}").CASES:
        if wanted is not None and case.name in old and case.name not in wanted:
            lines.append(old[case.name])
            continue
        record = golden(case, np.random.default_rng(1))
        lines.append(f"{json.dumps(case.name)}: {json.dumps(record)}")
        print(f"{module}: {case.name}")
    path.write_text("{" + ",\n".join(lines) + "}\n")


def main():
    names = sys.argv[1:] or sorted(p.stem for p in (HERE / "cases").glob("[!_]*.py"))
    sys.path.insert(0, str(HERE))
    wanted = {}
    for name in names:
        module, _, case = name.partition("/")
        wanted.setdefault(module, set()).add(case)
    for module, cases in wanted.items():
        write(module, None if "" in cases else cases)


if __name__ == "__main__":
    main()
