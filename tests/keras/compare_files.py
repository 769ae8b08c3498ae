#!/usr/bin/env python3
"""What Keras makes of the files that Sluice writes of those in tests/keras/files.

    mkdir /tmp/written
    SLUICE_KERAS_FILES=/tmp/written build/release/bin/keras_test --gtest_filter='*KerasFile*'
    build/keras-venv/bin/python tests/keras/compare_files.py /tmp/written
    PYTHONPATH=FOLDER build/keras-venv/bin/python tests/keras/compare_files.py /tmp/written keras2

Each .keras and .h5 is loaded, and each .weights.h5 into the model of the .keras: the predictions
must be those of the original to 1e-5, and of a .keras, also all weights after three more steps.
Keras 2, by the package tf-keras (make_files.py), loads all but those of "nested" (a functional
model inside another is written as Keras 3 counts its calls, on which Keras 2 never comes back) and
of Keras 3's "kinds". hard_sigmoid, in "cnn", is another function there.
"""

import json
import os
import pathlib
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np

KERAS2 = sys.argv[2:] == ["keras2"]
if KERAS2:
    import tf_keras as keras
else:
    import keras
GOLDEN = pathlib.Path(__file__).resolve().parent / "files"


def shaped(values, tensors):
    arrays = [
        np.float32(v).reshape(-1, *tensor.shape[1:]) for v, tensor in zip(values, tensors)
    ]
    return arrays[0] if len(arrays) == 1 else arrays


def error(a, b):
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b))


def compare(path):
    """The largest differences: of predictions, and of weights after three more steps, or None."""
    stem, is_weights = path.name, path.name.endswith(".weights.h5")
    golden = json.loads((GOLDEN / (stem.split(".")[0] + ".json")).read_text())
    if is_weights:
        model = keras.models.load_model(str(path).removesuffix(".weights.h5") + ".keras")
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(path)
    else:
        model = keras.models.load_model(path)
    x, y = shaped(golden["x"], model.inputs), shaped(golden["y"], model.outputs)
    predicted = model.predict(x, verbose=0)
    predicted = predicted if isinstance(predicted, list) else [predicted]
    of_predictions = error([p.ravel() for p in predicted], golden["predictions"])
    had_training = ".weights" not in stem.removesuffix(".weights.h5").removesuffix(".keras")
    if path.suffix != ".keras" or KERAS2 or not had_training:
        return of_predictions, None
    for _ in range(3):
        model.train_on_batch(x, y)
    names = [w.path if hasattr(w, "path") else w.name for w in model.weights]
    trained, at, worst = np.array(golden["trained"]), 0, 0.0
    for name, weight in zip(names, model.weights):
        values = np.ravel(weight)
        if not (stem.startswith("keras2") and name.endswith("moving_variance")):
            worst = max(worst, error([values], [trained[at : at + values.size]]))
        at += values.size
    return of_predictions, worst


def main():
    failed = 0
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        if KERAS2 and ("nested" in path.name or path.name.startswith("kinds")):
            continue
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                predictions, trained = compare(path)
                # Keras 2's hard_sigmoid is another function than Keras 3's.
                other = path.name.startswith("cnn" if KERAS2 else "keras2_cnn")
                problem = not other and (predictions > 1e-5 or (trained or 0) > 2e-5)
            except Exception as exception:  # of any kind: the file was not taken
                predictions = trained = None
                problem = f"{type(exception).__name__}: {exception}"
        skipped = [str(w.message) for w in said if "kipping variable loading" in str(w.message)]
        if problem or (skipped and not KERAS2):
            failed += 1
            print(f"{path.name}: {problem} predictions {predictions} trained {trained} {skipped}")
    print(f"{failed} failed")
    return 1 if failed else 0


sys.exit(main())
