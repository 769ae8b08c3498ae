"""Random models of what Keras and Sluice both have, as recipes (recipes.py)."""
import keras
import numpy as np

from random_layers import NOISE, Chance, one_input_layers
from recipes import is_chain, layer_name, make_layer

MOST_ELEMENTS = 500  # of a value, for one sample
MOST_WEIGHTS = 3000  # of a layer


class Builder:
    """Adds calls to a recipe, while Keras tells the shapes."""

    def __init__(self, c, inputs, noisy, depth=0):
        self.c, self.depth, self.noisy = c, depth, noisy
        self.recipe = {"inputs": inputs, "layers": [], "calls": []}
        self.values = [keras.layers.Input(i["shape"]) for i in inputs]
        self.made = []
        self.taken = []  # by each layer: shapes

    def shape(self, value):
        return list(self.values[value].shape[1:])

    def call(self, layer, sources):
        """The new value, or none where Keras cannot, or it becomes too large."""
        made = self.made[layer]
        tensors = [self.values[i] for i in sources]
        try:
            value = made(tensors if len(tensors) > 1 else tensors[0])
        except (ValueError, TypeError, ZeroDivisionError):
            return None
        shape = value.shape[1:]
        if any(n is None or n < 1 for n in shape) or np.prod(shape) > MOST_ELEMENTS:
            return None
        self.values.append(value)
        self.recipe["calls"].append([layer, list(sources)])
        return len(self.values) - 1

    def add(self, layer, sources):
        try:
            made = make_layer(layer, None)
        except (ValueError, TypeError):
            return None
        self.made.append(made)
        self.recipe["layers"].append(layer)
        self.taken.append([self.shape(i) for i in sources])
        value = self.call(len(self.made) - 1, sources)
        if value is None or made.count_params() > MOST_WEIGHTS:
            self.made.pop(), self.recipe["layers"].pop(), self.taken.pop()
            if value is not None:
                self.values.pop(), self.recipe["calls"].pop()
            return None
        return value

    def plain(self, kind, config, sources, trainable=True):
        return self.add({"class": kind, "config": config, "trainable": trainable}, sources)

    def leaves(self):
        used = {i for _, sources in self.recipe["calls"] for i in sources}
        return [i for i in range(len(self.values)) if i not in used]

    def pick(self):
        """A value, mostly one that nothing has taken yet."""
        some = self.leaves()
        return self.c.one_of(some) if some and self.c.happens(0.75) \
            else self.c.whole(0, len(self.values) - 1)

    def is_classes(self, value):
        return value < len(self.recipe["inputs"]) and self.recipe["inputs"][value].get("classes")

    def step(self):
        c = self.c
        source = self.pick()
        if self.is_classes(source):
            return self.plain("Embedding", {
                "input_dim": self.recipe["inputs"][source]["classes"],
                "output_dim": c.whole(1, 4),
                **({"embeddings_initializer": c.initializer()} if c.happens(0.3) else {}),
            }, [source], not c.happens(0.1))
        shape = self.shape(source)
        if c.happens(0.12):
            same = [i for i, taken in enumerate(self.taken) if taken == [shape]
                    and self.recipe["layers"][i]["class"] != "Embedding"]
            if same:
                return self.call(c.one_of(same), [source])
        if c.happens(0.08) and self.depth < 2:
            return self.nest(source)
        if c.happens(0.22):
            return self.merge(source)
        if self.noisy and c.happens(0.3):
            kind = c.one_of(list(NOISE))
            return self.plain(kind, NOISE[kind](c), [source])
        choices = one_input_layers(c, shape)
        weights = np.array([choice[0] for choice in choices])
        _, kind, config = choices[c.rng.choice(len(choices), p=weights / weights.sum())]
        return self.plain(kind, config(), [source], not c.happens(0.1))

    def merge(self, source):
        c, shape = self.c, self.shape(source)
        if c.happens(0.35):
            axis = c.whole(1, len(shape))
            near = [i for i in range(len(self.values)) if len(self.shape(i)) == len(shape) and all(
                a == b or n + 1 == axis for n, (a, b) in enumerate(zip(self.shape(i), shape)))]
            others = [c.one_of(near) for _ in range(c.whole(1, 2))]
            others = [i for i in others if not self.is_classes(i)]
            config = {} if axis == len(shape) and c.happens(0.5) else {"axis": axis}
            return self.plain("Concatenate", config, [source, *others]) if others else None
        kind = c.one_of(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
        # Without a graph, Keras' own sum on TensorFlow takes a number for each sample for a bias
        # where there are as many samples as channels.
        count = 1 if kind == "Subtract" else c.whole(1, 2)
        others = []
        for _ in range(count):
            near = [i for i in range(len(self.values)) if i != source and not self.is_classes(i)
                    and self.fits(self.shape(i), shape)
                    and (kind not in ("Add", "Average") or np.prod(self.shape(i)) > 1
                         or np.prod(shape) == 1)]
            other = c.one_of(near) if near and c.happens(0.8) else self.reach(shape)
            if other is None:
                return None
            others.append(other)
        return self.plain(kind, {}, [source, *others])

    @staticmethod
    def fits(a, b):
        """Broadcasts, with the batch in front of both."""
        return len(a) == len(b) and all(1 in (x, y) or x == y for x, y in zip(a, b))

    def reach(self, shape):
        """A value of this shape, out of any other."""
        source = self.pick()
        if self.is_classes(source):
            return None
        if len(self.shape(source)) > 1:
            source = self.plain("Flatten", {}, [source])
        size = int(np.prod(shape))
        source = self.plain("Dense", {"units": size, "activation": "tanh"}, [source])
        if source is None or len(shape) == 1:
            return source
        return self.plain("Reshape", {"target_shape": shape}, [source])

    def nest(self, source):
        c = self.c
        sources = [source]
        sequential = c.happens(0.4)
        if not sequential and c.happens(0.4):
            sources.append(self.pick())
        if any(self.is_classes(i) for i in sources):
            return None
        inner = Builder(c, [{"shape": self.shape(i)} for i in sources], self.noisy, self.depth + 1)
        if sequential:
            value = 0
            for _ in range(c.whole(1, 3)):
                kind = c.one_of([x for x in one_input_layers(c, inner.shape(value))])
                value = inner.plain(kind[1], kind[2](), [value], not c.happens(0.1))
                if value is None:
                    return None
        else:
            for _ in range(c.whole(1, 4)):
                inner.step()
            if inner.join(1) is None:
                return None
        inner.recipe["outputs"] = [len(inner.values) - 1]
        return self.add({"class": "Sequential" if sequential else "Functional",
                         "recipe": inner.recipe, "trainable": not c.happens(0.1)}, sources)

    def join(self, most):
        """Until at most `most` values are read by nothing, none of them an input."""
        for i in range(len(self.recipe["inputs"])):
            if i not in self.leaves():
                continue
            kind = ("Embedding", {"input_dim": self.is_classes(i), "output_dim": 2}) \
                if self.is_classes(i) else ("Dense", {"units": self.c.whole(1, 4)})
            if self.plain(*kind, [i]) is None:
                return None
        leaves = self.leaves()
        if len(leaves) <= most:
            return leaves
        rows = [self.plain("Flatten", {}, [i]) if len(self.shape(i)) > 1 else i
                for i in leaves[most - 1:]]
        joined = self.plain("Concatenate", {}, rows)
        if joined is None:
            return None
        rest = self.plain("Dense", {"units": self.c.whole(1, 4)}, [joined])
        return None if rest is None else [*leaves[:most - 1], rest]


# --- Losses and optimizers ---------------------------------------------------------------------


def loss(name, **config):
    return {"class_name": name, "config": config}


def random_task(c, builder, value):
    """The output, mostly behind a head of its own, and a loss for it."""
    head = c.one_of(["none", "softmax", "sigmoid", "softplus", "logits"])
    if head != "none":
        last = builder.plain("Dense", {
            "units": c.whole(2, 4) if head in ("softmax", "logits") else c.whole(1, 4),
            "activation": "linear" if head == "logits" else head}, [value])
        if last is None:
            head = "none"
        else:
            value = last
    smoothing = c.number(0, 0.3) if c.happens(0.4) else 0.0
    numbers = [
        loss("MeanSquaredError"), loss("MeanAbsoluteError"), loss("LogCosh"),
        loss("Huber", delta=c.number(0.25, 2)), loss("Hinge"), loss("SquaredHinge"),
        loss("CosineSimilarity"), loss("MeanAbsolutePercentageError"), "mse", "mae",
    ]
    binary = [
        loss("BinaryCrossentropy", label_smoothing=smoothing),
        loss("BinaryFocalCrossentropy", gamma=c.number(0.5, 3), alpha=c.number(0.1, 0.9),
             apply_class_balancing=c.happens(0.5)),
    ]
    classes = [
        loss("CategoricalCrossentropy", label_smoothing=smoothing), "categorical_crossentropy",
        loss("CategoricalFocalCrossentropy", gamma=c.number(0.5, 3), alpha=c.number(0.1, 0.9)),
        loss("SparseCategoricalCrossentropy"), "sparse_categorical_crossentropy",
        loss("CategoricalHinge"), loss("KLDivergence"),
    ]
    if builder.shape(value)[-1] == 1:
        numbers = [n for n in numbers if n != loss("CosineSimilarity")]
        classes = binary
    choices = {
        "none": numbers,
        "softmax": classes,
        "sigmoid": binary + numbers,
        "softplus": [loss("Poisson"), loss("MeanSquaredLogarithmicError"), *numbers],
        "logits": [
            loss("CategoricalCrossentropy", from_logits=True, label_smoothing=smoothing),
            loss("SparseCategoricalCrossentropy", from_logits=True),
            loss("BinaryCrossentropy", from_logits=True, label_smoothing=smoothing),
            loss("BinaryFocalCrossentropy", from_logits=True, gamma=c.number(0.5, 3)),
            loss("CategoricalFocalCrossentropy", from_logits=True),
        ] + numbers,
    }
    weight = c.number(0.25, 3) if c.happens(0.5) else 1.0
    return value, {"loss": c.one_of(choices[head]), "weight": weight}


def random_optimizer(c):
    """Lion is missing: where a gradient is 0 but for rounding, its sign decides."""
    schedules = [
        {"class_name": "ExponentialDecay", "config": {
            "initial_learning_rate": 0.0625, "decay_steps": 2, "decay_rate": 0.5,
            "staircase": c.happens(0.5)}},
        {"class_name": "CosineDecay", "config": {
            "initial_learning_rate": 0.0, "decay_steps": 4, "warmup_target": 0.0625,
            "warmup_steps": 2, "alpha": 0.25}},
        {"class_name": "PiecewiseConstantDecay", "config": {
            "boundaries": [1, 2], "values": [0.0625, 0.03125, 0.125]}},
    ]
    # Larger than Keras' own, since gradients that are 0 but for rounding are divided by themselves.
    epsilon = {"epsilon": c.number(0.05, 0.25)}
    kind, config = c.one_of([
        ("SGD", {"momentum": c.number(0.25, 0.95), "nesterov": c.happens(0.5)}
         if c.happens(0.6) else {}),
        ("RMSprop", {"rho": c.number(0.5, 0.95), "momentum": c.number(0, 0.5),
                     "centered": c.happens(0.4), **epsilon}),
        ("Adagrad", {"initial_accumulator_value": c.number(0.1, 0.5)}),
        ("Adadelta", {"rho": c.number(0.5, 0.95), **epsilon}),
        ("Adam", {"beta_1": c.number(0.5, 0.95), "amsgrad": c.happens(0.4), **epsilon}),
        ("AdamW", {"weight_decay": c.number(0.02, 0.5), **epsilon}),
        ("Adamax", dict(epsilon)),
        ("Nadam", {"beta_2": c.number(0.5, 0.95), **epsilon}),
        ("Ftrl", {"l1_regularization_strength": c.number(0, 0.1),
                  "l2_regularization_strength": c.number(0, 0.1), "beta": c.number(0, 0.5)}),
    ])
    config["learning_rate"] = c.one_of(schedules) if c.happens(0.2) else c.number(0.02, 0.15)
    if isinstance(config["learning_rate"], dict):
        config["learning_rate"]["module"] = "keras.optimizers.schedules"
    if c.happens(0.25):
        config[c.one_of(["clipnorm", "global_clipnorm", "clipvalue"])] = c.number(0.05, 1)
    if c.happens(0.2) and kind != "AdamW":
        config["weight_decay"] = c.number(0.02, 0.5)
    if c.happens(0.15):
        config.update(use_ema=True, ema_momentum=c.number(0.25, 0.95),
                      ema_overwrite_frequency=c.one_of([None, 1, 2]))
    return {"class_name": kind, "config": config}


def random_input(c):
    if c.happens(0.12):
        return {"shape": [c.whole(1, 5)], "classes": c.whole(2, 6)}
    rank = c.one_of([1, 1, 2, 3, 3, 3])
    sizes = {1: [(1, 7)], 2: [(2, 8), (1, 5)], 3: [(3, 8), (3, 8), (1, 4)]}[rank]
    return {"shape": [c.whole(*size) for size in sizes]}


def generate(seed, attempt=0):
    """A recipe, or none where the draw came to nothing."""
    keras.backend.clear_session()
    c = Chance(np.random.default_rng([seed, attempt]))
    inputs = [random_input(c) for _ in range(c.one_of([1, 1, 1, 2, 3]))]
    builder = Builder(c, inputs, noisy=c.happens(0.1))
    for _ in range(c.whole(1, 9)):
        builder.step()
    leaves = builder.join(3)
    if leaves is None:
        return None
    if c.happens(0.15) and len(builder.values) > len(inputs) + 1:
        leaves.append(c.whole(len(inputs), len(builder.values) - 1))  # that others read too
    tasks = [random_task(c, builder, value) for value in leaves]
    recipe = builder.recipe
    recipe["outputs"] = [value for value, _ in tasks]
    recipe["tasks"] = [task for _, task in tasks]
    recipe["optimizer"] = random_optimizer(c)
    recipe["batch"] = c.whole(2, 6)
    if is_chain(recipe) and c.happens(0.5):
        recipe["sequential"] = True
    return recipe
