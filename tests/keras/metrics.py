#!/usr/bin/env python3
"""What Keras measures, for metrics_test.cc: writes metrics.json beside this script.

    python tests/keras/metrics.py

Each set has outputs p [rows, K] and targets y [rows, K], of classes also as their numbers, and what
each metric comes to, by our name for it. Keras is given the rows in batches of the sizes BATCHES,
and computes in float64; "error" is how far its own float32 is off. Needs keras 3.15 with
tensorflow.
"""
import itertools
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

M = keras.metrics
L = keras.losses
BATCHES = [1, 33, 7, 50, 50, 2]  # and again from the first


class SparseMean(M.MeanMetricWrapper):
    """Of a loss that takes class numbers."""


# Keras takes no other losses by name, but their functions.
def mean_of(loss, kind=M.MeanMetricWrapper, **options):
    return lambda **d: kind(loss, **d, **options)


REGRESSION = {
    "mse": lambda **d: M.MeanSquaredError(**d),
    "mae": lambda **d: M.MeanAbsoluteError(**d),
    "root_mean_squared_error": lambda **d: M.RootMeanSquaredError(**d),
    "mape": lambda **d: M.MeanAbsolutePercentageError(**d),
    "msle": lambda **d: M.MeanSquaredLogarithmicError(**d),
    "logcosh": lambda **d: M.LogCoshError(**d),
    "poisson": lambda **d: M.Poisson(**d),
    "r2_score": lambda **d: M.R2Score(**d),
    "r2_score(num_regressors=3)": lambda **d: M.R2Score(num_regressors=3, **d),
    "r2_score(num_regressors=100000)": lambda **d: M.R2Score(num_regressors=100000, **d),
    "r2_score(class_aggregation=variance_weighted_average)":
        lambda **d: M.R2Score("variance_weighted_average", **d),
    "r2_score(class_aggregation=None,num_regressors=2)":
        lambda **d: M.R2Score(None, num_regressors=2, **d),
    "cosine_similarity": lambda **d: M.CosineSimilarity(**d),
    "huber": mean_of(L.huber),
    "Huber(delta=0.25)": mean_of(L.huber, delta=0.25),
}

# Of elements that are 0 or 1.
OUTCOMES = {
    "precision": lambda **d: M.Precision(**d),
    "precision(threshold=0.7)": lambda **d: M.Precision(0.7, **d),
    "recall": lambda **d: M.Recall(**d),
    "recall(thresholds=0.25)": lambda **d: M.Recall(0.25, **d),
    "true_positives": lambda **d: M.TruePositives(**d),
    "false_positives(thresholds=0.3)": lambda **d: M.FalsePositives(0.3, **d),
    "true_negatives(threshold=0)": lambda **d: M.TrueNegatives(0.0, **d),
    "false_negatives(threshold=0.75)": lambda **d: M.FalseNegatives(0.75, **d),
    "auc": lambda **d: M.AUC(**d),
    "auc(num_thresholds=5)": lambda **d: M.AUC(num_thresholds=5, **d),
    "auc(curve=PR)": lambda **d: M.AUC(curve="PR", **d),
    "sensitivity_at_specificity(specificity=0.8)": lambda **d: M.SensitivityAtSpecificity(0.8, **d),
    "sensitivity_at_specificity(specificity=0,num_thresholds=7)":
        lambda **d: M.SensitivityAtSpecificity(0.0, num_thresholds=7, **d),
    "specificity_at_sensitivity(sensitivity=0.75)":
        lambda **d: M.SpecificityAtSensitivity(0.75, **d),
    "specificity_at_sensitivity(sensitivity=1)": lambda **d: M.SpecificityAtSensitivity(1.0, **d),
    "precision_at_recall(recall=0.6)": lambda **d: M.PrecisionAtRecall(0.6, **d),
    "recall_at_precision(precision=0.7)": lambda **d: M.RecallAtPrecision(0.7, **d),
    "recall_at_precision(precision=1,num_thresholds=4)":
        lambda **d: M.RecallAtPrecision(1.0, num_thresholds=4, **d),
    "f1_score(threshold=0.5)": lambda **d: M.F1Score(threshold=0.5, **d),
    "f1_score(average=micro,threshold=0.3)": lambda **d: M.F1Score("micro", 0.3, **d),
    "fbeta_score(beta=2,threshold=0.6,average=weighted)":
        lambda **d: M.FBetaScore("weighted", 2.0, 0.6, **d),
    "binary_iou": lambda **d: M.BinaryIoU(**d),
    "binary_iou(threshold=0.25)": lambda **d: M.BinaryIoU(threshold=0.25, **d),
    "binary_iou(target_class_ids=[0])": lambda **d: M.BinaryIoU([0], **d),
    "binary_iou(target_class_ids=[1],threshold=0.75)": lambda **d: M.BinaryIoU([1], 0.75, **d),
    "binary_accuracy(threshold=0.3)": lambda **d: M.BinaryAccuracy(threshold=0.3, **d),
    "hinge": lambda **d: M.Hinge(**d),
    "squared_hinge": lambda **d: M.SquaredHinge(**d),
    "kl_divergence": lambda **d: M.KLDivergence(**d),
    "binary_crossentropy": lambda **d: M.BinaryCrossentropy(**d),
    "bce(label_smoothing=0.2)": lambda **d: M.BinaryCrossentropy(label_smoothing=0.2, **d),
    "bce(from_logits=true)": lambda **d: M.BinaryCrossentropy(from_logits=True, **d),
    "binary_focal_crossentropy(gamma=1,apply_class_balancing=True,alpha=0.4)":
        mean_of(L.binary_focal_crossentropy, apply_class_balancing=True, alpha=0.4, gamma=1.0),
}

# Of rows, each of one class.
CLASSES = {
    "categorical_accuracy": lambda **d: M.CategoricalAccuracy(**d),
    "top_k_categorical_accuracy(k=2)": lambda **d: M.TopKCategoricalAccuracy(2, **d),
    "sparse_top_k_categorical_accuracy(k=1)": lambda **d: M.SparseTopKCategoricalAccuracy(1, **d),
    "precision(class_id=2)": lambda **d: M.Precision(class_id=2, **d),
    "recall(class_id=0,threshold=0.4)": lambda **d: M.Recall(0.4, class_id=0, **d),
    "precision(top_k=1)": lambda **d: M.Precision(top_k=1, **d),
    "precision(top_k=2,class_id=1)": lambda **d: M.Precision(top_k=2, class_id=1, **d),
    "recall(top_k=2)": lambda **d: M.Recall(top_k=2, **d),
    "recall(top_k=3,threshold=0.25)": lambda **d: M.Recall(0.25, top_k=3, **d),
    "recall(top_k=4)": lambda **d: M.Recall(top_k=4, **d),
    "sensitivity_at_specificity(specificity=0.9,class_id=1)":
        lambda **d: M.SensitivityAtSpecificity(0.9, class_id=1, **d),
    "recall_at_precision(precision=0.8,class_id=3)":
        lambda **d: M.RecallAtPrecision(0.8, class_id=3, **d),
    "f1_score": lambda **d: M.F1Score(**d),
    "f1_score(average=micro)": lambda **d: M.F1Score("micro", **d),
    "F1Score(average=macro)": lambda **d: M.F1Score("macro", **d),
    "fbeta_score(average=weighted,beta=0.5)": lambda **d: M.FBetaScore("weighted", 0.5, **d),
    "one_hot_iou(num_classes=4,target_class_ids=[0,2])": lambda **d: M.OneHotIoU(4, [0, 2], **d),
    "iou(target_class_ids=1)": lambda **d: M.OneHotIoU(4, [1], **d),
    "iou(target_class_ids=[0,3],ignore_class=3)":
        lambda **d: M.OneHotIoU(4, [0, 3], ignore_class=3, **d),
    "OneHotMeanIoU(num_classes=4)": lambda **d: M.OneHotMeanIoU(4, **d),
    "mean_iou(ignore_class=0)": lambda **d: M.OneHotMeanIoU(4, ignore_class=0, **d),
    "categorical_hinge": lambda **d: M.CategoricalHinge(**d),
    "categorical_crossentropy": lambda **d: M.CategoricalCrossentropy(**d),
    "categorical_crossentropy(label_smoothing=0.1)":
        lambda **d: M.CategoricalCrossentropy(label_smoothing=0.1, **d),
    "categorical_crossentropy(from_logits=true)":
        lambda **d: M.CategoricalCrossentropy(from_logits=True, **d),
    "sparse_categorical_crossentropy": lambda **d: M.SparseCategoricalCrossentropy(**d),
    "categorical_focal_crossentropy(gamma=1.5)":
        mean_of(L.categorical_focal_crossentropy, gamma=1.5),
    "categorical_generalized_cross_entropy(q=0.3)":
        mean_of(L.categorical_generalized_cross_entropy, SparseMean, q=0.3),
}


def measured(make, y, classes, p, dtype):
    metric = make(dtype=dtype)
    if "TopK" in type(metric).__name__:  # which TensorFlow only has in float32
        dtype = "float32"
    y = classes if type(metric).__name__.startswith("Sparse") else y
    begin = 0
    for size in itertools.cycle(BATCHES):
        if begin >= len(p):
            break
        rows = slice(begin, begin + size)
        metric.update_state(y[rows].astype(dtype), p[rows].astype(dtype))
        begin += size
    return np.atleast_1d(np.asarray(metric.result(), "float64"))


def values(metrics, y, classes, p):
    result = {}
    for name, make in metrics.items():
        exact, rough = (measured(make, y, classes, p, dtype) for dtype in ("float64", "float32"))
        assert np.all(np.isfinite(exact)), name
        result[name] = {"values": exact.tolist(), "error": float(np.max(np.abs(exact - rough)))}
    return result


def flat(array):
    return [float(f"{v:.9g}") for v in np.ravel(array)]


def record(metrics, p, y=None, classes=None):
    p = np.asarray(p, "float32")
    if y is None:
        y = np.eye(p.shape[1])[classes]
    y = np.asarray(y, "float32")
    result = {"outputs": p.shape[1], "p": flat(p), "y": flat(y)}
    if classes is not None:
        result["classes"] = flat(classes)
        matrix = np.zeros((p.shape[1], p.shape[1]), int)
        np.add.at(matrix, (classes, p.argmax(-1)), 1)
        result["confusion_matrix"] = matrix.ravel().tolist()
    result["metrics"] = values(metrics, y, classes, p)
    return result


def main():
    rng = np.random.default_rng(3)

    def probabilities(y):
        """Some are 0, 1 and multiples of 1/4, where thresholds are."""
        p = np.clip(0.5 * y + 0.25 + rng.normal(0, 0.3, y.shape), 0, 1)
        return np.where(rng.uniform(size=y.shape) < 0.2, np.round(4 * p) / 4, p)

    one = rng.integers(0, 2, (200, 1))
    labels = rng.integers(0, 2, (150, 3))
    classes = rng.integers(0, 4, 150)
    z = rng.normal(0, 1, (150, 4)) + 1.2 * np.eye(4)[classes]
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    # Ties, of which the first counts; of powers of 1/2, which add up to 1.
    p[::5] = rng.permuted(np.tile([0.25, 0.25, 0.375, 0.125], (30, 1)), axis=1)
    p[3::10] = rng.permuted(np.tile([0.5, 0.5, 0.0, 0.0], (15, 1)), axis=1)
    numbers = rng.normal(0, 2, (140, 3)) + [0.5, 1, 4]
    # Of targets that are 0 there is no percentage.
    of_bits = {name: make for name, make in REGRESSION.items() if name != "mape"}
    sets = {
        "one output": record({**OUTCOMES, **of_bits}, probabilities(one), one),
        "labels": record({**OUTCOMES, **of_bits}, probabilities(labels), labels),
        "classes": record({**OUTCOMES, **of_bits, **CLASSES}, p, classes=classes),
        "numbers": record({name: make for name, make in REGRESSION.items() if name != "poisson"},
                          numbers + rng.normal(0, 1, numbers.shape), numbers),
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in sets.items())
    text = f'{{"keras": "{keras.__version__}", "batches": {json.dumps(BATCHES)}, "sets": {{\n'
    pathlib.Path(__file__).with_suffix(".json").write_text(f"{text}{lines}\n}}}}\n")


main()
