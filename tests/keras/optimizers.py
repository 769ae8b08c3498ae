#!/usr/bin/env python3
"""What Keras' optimizers and learning rate schedules do, for tests of ours.

Writes optimizers.json beside this script: for each case Keras' own JSON, ours, and the variables
after each of five steps, computed in float64. Keras must read ours as it reads its own. Needs
keras 3.15 with tensorflow; run it again when a case is added.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

O = keras.optimizers
S = keras.optimizers.schedules

# Of two variables, so that norms of each and of all differ.
START = [[1.0, 2.0, -3.0], [0.5, -0.25, 4.0, -0.125]]
GRADIENTS = [
    [[1.0, -2.0, 0.5], [0.25, -0.5, 3.0, 0.125]],
    [[-0.5, -2.0, 0.25], [0.0, 1.5, -0.75, 0.5]],
    [[2.0, 0.0, -1.0], [-0.125, 0.0625, 0.5, -1.0]],
    [[0.125, 1.0, -0.5], [0.75, -0.25, 0.0, 2.0]],
    [[-1.0, 0.25, 0.5], [0.5, 0.5, -2.0, 0.25]],
]

NAMES = ["kernel", "bias"]


def excluding(optimizer, names):
    optimizer.exclude_from_weight_decay(var_names=names)
    optimizer.excluded = names
    return optimizer


CASES = [
    lambda: O.SGD(0.1),
    lambda: O.SGD(0.1, momentum=0.9),
    lambda: O.SGD(0.1, momentum=0.9, nesterov=True),
    lambda: O.RMSprop(0.01),
    lambda: O.RMSprop(0.01, rho=0.8, momentum=0.5),
    lambda: O.RMSprop(0.01, epsilon=1e-3, centered=True),
    lambda: O.RMSprop(0.01, momentum=0.5, epsilon=1e-3, centered=True),
    lambda: O.Adagrad(0.1),
    lambda: O.Adagrad(0.1, initial_accumulator_value=0.5, epsilon=1e-3),
    lambda: O.Adadelta(1.0),
    lambda: O.Adadelta(0.5, rho=0.8, epsilon=1e-4),
    lambda: O.Adam(0.01),
    lambda: O.Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=0.1),
    lambda: O.Adam(0.01, amsgrad=True, beta_2=0.5),
    lambda: O.AdamW(0.01),
    lambda: O.AdamW(0.01, weight_decay=0.5, amsgrad=True, beta_2=0.5),
    lambda: O.Adamax(0.01),
    lambda: O.Adamax(0.01, beta_1=0.5, beta_2=0.7, epsilon=1e-3),
    lambda: O.Nadam(0.01),
    lambda: O.Nadam(0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    lambda: O.Lion(0.01),
    lambda: O.Lion(0.01, beta_1=0.5, beta_2=0.7),
    lambda: O.Ftrl(0.1),
    lambda: O.Ftrl(0.1, l1_regularization_strength=0.2, l2_regularization_strength=0.1,
                   l2_shrinkage_regularization_strength=0.05, beta=0.3),
    lambda: O.Ftrl(0.1, learning_rate_power=-0.75, initial_accumulator_value=0.5),
    # What all of them have.
    lambda: O.SGD(0.1, clipvalue=0.5),
    lambda: O.SGD(0.1, clipnorm=1.0),
    lambda: O.Adam(0.01, clipnorm=0.75),
    lambda: O.SGD(0.1, momentum=0.9, global_clipnorm=2.5),
    lambda: O.Adam(0.01, global_clipnorm=0.5),
    lambda: O.SGD(0.1, weight_decay=0.25),
    lambda: O.RMSprop(0.01, weight_decay=0.1, clipvalue=0.25),
    lambda: O.SGD(0.1, use_ema=True, ema_momentum=0.75),
    lambda: O.Adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
    lambda: O.AdamW(0.01, clipnorm=1.0, use_ema=True, ema_overwrite_frequency=3),
    lambda: excluding(O.SGD(0.1, weight_decay=0.25), ["bias"]),
    lambda: excluding(O.AdamW(0.01, weight_decay=5.0, clipvalue=0.5, use_ema=True), ["ker", "x"]),
    lambda: O.SGD(S.ExponentialDecay(0.1, 2, 0.5)),
    lambda: O.Adam(S.CosineDecay(0.0, 3, warmup_target=0.1, warmup_steps=2), weight_decay=0.1),
    lambda: O.Ftrl(S.InverseTimeDecay(0.1, 2, 0.5), beta=0.3),
]

SCHEDULES = [
    lambda: S.ExponentialDecay(0.1, 10, 0.9),
    lambda: S.ExponentialDecay(0.1, 10, 0.9, staircase=True),
    lambda: S.InverseTimeDecay(0.1, 10, 0.5),
    lambda: S.InverseTimeDecay(0.1, 10, 0.5, staircase=True),
    lambda: S.PolynomialDecay(0.1, 10),
    lambda: S.PolynomialDecay(0.1, 10, end_learning_rate=0.01, power=2.0),
    lambda: S.PolynomialDecay(0.1, 10, end_learning_rate=0.01, power=0.5, cycle=True),
    lambda: S.PiecewiseConstantDecay([2, 10, 15], [0.1, 0.05, 0.02, 0.01]),
    lambda: S.CosineDecay(0.1, 10),
    lambda: S.CosineDecay(0.1, 10, alpha=0.25),
    lambda: S.CosineDecay(0.01, 10, alpha=0.1, warmup_target=0.1, warmup_steps=5),
    lambda: S.CosineDecay(0.01, 10, warmup_target=0.1),
    lambda: S.CosineDecayRestarts(0.1, 7),
    lambda: S.CosineDecayRestarts(0.1, 7, t_mul=1.0, m_mul=0.5, alpha=0.1),
    lambda: S.CosineDecayRestarts(0.1, 4, t_mul=1.5, m_mul=0.9),
]
STEPS = [0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 14, 15, 16, 20, 22, 30, 47, 100]

# Of what all optimizers have, ours leaves out what is not asked for.
COMMON = {"weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None,
          "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None}
LEFT_OUT = ["name", "loss_scale_factor", "gradient_accumulation_steps"]


def shortened(value):
    """The shortest decimal that is the same float32: what was written."""
    return float(str(np.float32(value))) if isinstance(value, float) else value


def schedule_as_ours(serialized):
    config = {k: v for k, v in serialized["config"].items() if k != "name" and v is not None}
    for key, value in config.items():
        if isinstance(value, list):
            config[key] = [float(x) for x in value]
        elif not isinstance(value, bool):
            config[key] = float(value)
    return {"module": "keras.optimizers.schedules", "class_name": serialized["class_name"],
            "config": config, "registered_name": None}


def as_ours(serialized):
    config = {}
    for key, value in serialized["config"].items():
        default = 0.004 if serialized["class_name"] == "AdamW" and key == "weight_decay" else \
            COMMON.get(key, ...)
        if key in LEFT_OUT or value == default:
            continue
        config[key] = schedule_as_ours(value) if isinstance(value, dict) else shortened(value)
    return {"class_name": serialized["class_name"], "config": config}


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k != "name")
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-6, atol=0))
    return a == b


def run(make, dtype):
    keras.config.set_floatx(dtype)
    optimizer = make()
    variables = [keras.Variable(np.array(v, dtype), dtype=dtype, name=name)
                 for v, name in zip(START, NAMES)]
    optimizer.build(variables)
    steps = []
    for gradients in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(np.array(g, dtype)) for g in gradients])
        steps.append([[float(x) for x in v.numpy()] for v in variables])
    optimizer.finalize_variable_values(variables)
    return steps, [[float(x) for x in v.numpy()] for v in variables]


def largest_difference(a, b):
    if isinstance(a, list):
        return max(map(largest_difference, a, b))
    return abs(a - b)


def optimizer_case(make):
    serialized = O.serialize(make())
    ours = as_ours(serialized)
    read = O.serialize(O.deserialize(json.loads(json.dumps(ours))))
    assert same(read["config"], serialized["config"]), (read, serialized)
    keras.config.set_floatx("float32")
    in_float32, _ = run(make, "float32")
    steps, final = run(make, "float64")
    keras.config.set_floatx("float32")
    case = {"keras": serialized, "ours": ours, "steps": steps, "final": final,
            "float32_error": largest_difference(in_float32, steps)}
    excluded = getattr(make(), "excluded", None)  # which Keras' config does not have
    return {**case, "exclude_from_weight_decay": excluded} if excluded else case


def schedule_case(make):
    keras.config.set_floatx("float64")
    schedule = make()
    rates = [float(schedule(np.array(step))) for step in STEPS]
    keras.config.set_floatx("float32")
    serialized = S.serialize(make())
    ours = schedule_as_ours(serialized)
    read = S.serialize(S.deserialize(json.loads(json.dumps(ours))))
    assert same(read["config"], serialized["config"]), (read, serialized)
    return {"keras": serialized, "ours": ours, "rates": rates}


def main():
    cases = {
        "start": START,
        "gradients": GRADIENTS,
        "optimizers": [optimizer_case(make) for make in CASES],
        "steps": STEPS,
        "schedules": [schedule_case(make) for make in SCHEDULES],
    }
    lines = ["{"]
    for key, value in cases.items():
        if key in ("optimizers", "schedules"):
            lines.append(f'"{key}": [')
            lines.append(",\n".join(json.dumps(case) for case in value))
            lines.append("]" + ("," if key != "schedules" else ""))
        else:
            lines.append(f'"{key}": {json.dumps(value)},')
    lines.append("}")
    pathlib.Path(__file__).with_suffix(".json").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
