"""Models that Keras and Sluice both compute. A module lists its own in CASES."""
import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass
class Case:
    name: str
    make: Callable  # of keras or tf_keras: the model
    loss: str = "mse"
    batch: int = 3
    keras2: bool = True  # whether Keras 2 has all of it
    random: bool = False  # draws in training mode: only inference can be compared
    real: bool = False  # of real_models.py: one step, away from kinks (kinks.py)
    low: float = -1.0  # inputs are drawn from here
    high: float = 1.0
    classes: int = 0  # inputs are whole numbers from 0, below this

    def x(self, rng, shape):
        if self.classes:
            return rng.integers(0, self.classes, shape).astype("int32")
        return rng.uniform(self.low, self.high, shape).astype("float32")

    def y(self, rng, shape):
        y = rng.uniform(0, 1, shape)
        if self.loss == "categorical_crossentropy":
            y /= y.sum(-1, keepdims=True)
        return y.astype("float32")

    def weight(self, rng, weight):
        """What keeps the outputs apart; a variance must be positive."""
        low = 0.5 if "variance" in weight.path else -0.6
        return rng.uniform(low, low + 1.2, weight.shape).astype("float32")


def one_layer(name, shape, make_layer, features=0, **options):
    """A model of one layer; make_layer(keras.layers) gives it. A dense layer before it shows the
    gradient of its input. `features`: of the model's input, where they are not the layer's."""

    def make(k):
        x = before = k.layers.Input((*shape[:-1], features or shape[-1]), name="x")
        if not options.get("classes"):
            before = k.layers.Dense(shape[-1], name="before")(x)
        return k.Model(x, make_layer(k.layers)(before), name="model")

    return Case(name, make, **options)
