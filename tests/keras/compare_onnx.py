#!/usr/bin/env python3
"""What onnxruntime and TensorFlow make of the files that we write, against the numbers that Keras
computed in float64.

    python compare_onnx.py KERAS_TEST [FOLDER]
    python compare_onnx.py KERAS_TEST --random COUNT [--seed N]

Of the records (reference.py) in tests/keras/golden or in FOLDER, or of random models. Every model
must be within 1e-5, or within 3 times what Keras' own float32 is off; keras_test checks the same of
what we read again.
"""
import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import numpy as np
import onnx
import onnxruntime


def array_of(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def split(record, shapes):
    """The record's x as one array for each input."""
    rows = array_of(record["x"]).reshape(record["batch"], -1)
    sizes = [int(np.prod(shape)) for shape in shapes]
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes)]


def rows_of(outputs):
    return np.concatenate([np.reshape(a, (len(a), -1)) for a in outputs], axis=1).ravel()


def onnx_outputs(path, record):
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    x = split(record, [node.shape[1:] for node in inputs])
    return session.run(None, {node.name: part for node, part in zip(inputs, x)})


def saved_model_outputs(path, record):
    import tensorflow as tf
    function = tf.saved_model.load(str(path)).signatures["serving_default"]
    order = json.loads((path / "order.json").read_text())
    specs = function.structured_input_signature[1]
    x = split(record, [specs[name].shape[1:] for name in order["inputs"]])
    results = function(**{name: tf.constant(part) for name, part in zip(order["inputs"], x)})
    return [results[name].numpy() for name in order["outputs"]]


def compare(folder):
    """How many files there are, and how many of them differ."""
    failures = count = 0
    for file in sorted(folder.glob("*.json")):
        for name, record in json.loads(file.read_text()).items():
            expected = array_of(record["numbers"]["outputs"])
            tolerance = max(1e-5, 3 * record["errors"]["outputs"])
            for path, run in ((folder / "exports" / f"{name}.onnx", onnx_outputs),
                              (folder / "exports" / f"{name}.saved_model", saved_model_outputs)):
                count += 1
                try:
                    got = rows_of(run(path, record))
                    error = np.max(np.abs(got - expected), initial=0)
                    problem = None if error <= tolerance else f"is off by {error:.3g}"
                except Exception as e:  # whatever the other program throws is the finding
                    problem = str(e).replace("\n", " ")[:300]
                if problem:
                    failures += 1
                    print(f"{path.name}: {problem}", flush=True)
    return count, failures


def random_records(count, seed):
    import compare_random
    return {f"seed_{n}": compare_random.drawn(n)[1] for n in range(seed, seed + count)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("keras_test")
    parser.add_argument("folder", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).parent / "golden")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        if options.random:
            records = random_records(options.random, options.seed)
            (folder / "random.json").write_text(json.dumps(records))
        else:
            for file in options.folder.glob("*.json"):
                shutil.copy(file, folder)
        test = subprocess.run([options.keras_test, "--gtest_filter=export_*", "--gtest_brief=1"],
                              env={**os.environ, "SLUICE_KERAS_CASES": scratch},
                              stdout=subprocess.PIPE, text=True)
        if test.returncode:
            print(test.stdout)
        count, failures = compare(folder)
    print(f"{count - failures} of {count} files give the same")
    sys.exit(1 if test.returncode or failures or not count else 0)


if __name__ == "__main__":
    main()
