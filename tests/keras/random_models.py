"""Random models of what Keras and Sluice both have, as recipes: what a seed gave, and what can be
made smaller.

A recipe is JSON:

    inputs       shapes without the batch; "classes": whole numbers from 0, below this
    layers       {"class", "config", "trainable"}; a model is {"class", "recipe", "trainable"}
    calls        [layer, [value, ...]]: values are numbered, the inputs first, then what calls give
    outputs      values
    tasks        a loss and its weight for each output
    optimizer    as Keras writes it
    batch        samples
    sequential   whether it is a Sequential, where its calls are one behind the other
"""
import copy

import keras
import numpy as np

MOST_ELEMENTS = 500  # of a value, for one sample
MOST_WEIGHTS = 3000  # of a layer


def layer_name(i, layer):
    return f"{layer['class'].lower()}_{i}"


def make_layer(layer, name):
    if "recipe" in layer:
        made = make_model(layer["recipe"], name, layer["class"] == "Sequential")
    else:
        config = dict(layer["config"])
        if isinstance(config.get("activation"), dict):
            config["activation"] = keras.layers.deserialize(config["activation"])
        made = getattr(keras.layers, layer["class"])(**config, name=name)
    if not layer["trainable"]:
        made.trainable = False
    return made


def is_chain(recipe):
    """Each layer takes what the one before it gives."""
    return len(recipe["inputs"]) == 1 and recipe["outputs"] == [len(recipe["calls"])] and all(
        call == [i, [i]] for i, call in enumerate(recipe["calls"]))


def make_model(recipe, name="model", sequential=False):
    values = [keras.layers.Input(i["shape"], name=f"x{n}") for n, i in enumerate(recipe["inputs"])]
    layers = [make_layer(layer, layer_name(i, layer)) for i, layer in enumerate(recipe["layers"])]
    if sequential or recipe.get("sequential") and is_chain(recipe):
        return keras.Sequential([values[0], *layers], name=name)
    inputs = list(values)
    for layer, sources in recipe["calls"]:
        sources = [values[i] for i in sources]
        values.append(layers[layer](sources if len(sources) > 1 else sources[0]))
    outputs = [values[i] for i in recipe["outputs"]]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0],
                       outputs if len(outputs) > 1 else outputs[0], name=name)


# --- What layers are given ---------------------------------------------------------------------

# Without celu: at exactly 0, where a constraint or Ftrl easily puts units, Keras on TensorFlow adds
# the slopes of both its halves up to 2.
ACTIVATIONS = (
    "relu sigmoid tanh elu selu gelu mish softplus softsign exponential softmax relu6 leaky_relu "
    "silu hard_sigmoid hard_silu log_sigmoid sparse_sigmoid hard_tanh tanh_shrink hard_shrink "
    "soft_shrink sparse_plus squareplus log_softmax linear"
).split()


class Chance:
    """Of a random generator, what is drawn here."""

    def __init__(self, rng):
        self.rng = rng

    def whole(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def one_of(self, things):
        return things[self.whole(0, len(things) - 1)]

    def happens(self, probability):
        return bool(self.rng.uniform() < probability)

    def number(self, low, high):
        """A multiple of 1/64, which is the same number in float32."""
        return self.whole(round(low * 64), round(high * 64)) / 64

    def activation(self):
        if self.happens(0.4):
            return "linear"
        if self.happens(0.15):
            return self.one_of([
                {"class_name": "LeakyReLU", "config": {"negative_slope": self.number(0.05, 0.5)}},
                {"class_name": "ELU", "config": {"alpha": self.number(0.5, 2)}},
                {"class_name": "ReLU", "config": {
                    "max_value": self.number(0.5, 2), "negative_slope": self.number(0, 0.5),
                    "threshold": self.number(0, 0.4)}},
            ])
        return self.one_of(ACTIVATIONS)

    def initializer(self):
        return self.one_of([
            "glorot_normal", "he_uniform", "lecun_normal", "ones", "zeros",
            {"class_name": "RandomUniform", "config": {"minval": -0.5, "maxval": 0.25}},
            {"class_name": "TruncatedNormal", "config": {"mean": 0.5, "stddev": 0.125}},
            {"class_name": "VarianceScaling", "config": {
                "scale": 0.5, "mode": "fan_out", "distribution": "uniform"}},
            {"class_name": "Constant", "config": {"value": 0.375}},
        ])

    def regularizer(self):
        return self.one_of([
            {"class_name": "L1", "config": {"l1": self.number(0.01, 0.1)}},
            {"class_name": "L2", "config": {"l2": self.number(0.01, 0.1)}},
            {"class_name": "L1L2", "config": {"l1": self.number(0.01, 0.1),
                                              "l2": self.number(0.01, 0.1)}},
        ])

    def constraint(self):
        return self.one_of([
            {"class_name": "MaxNorm", "config": {"max_value": self.number(0.25, 1), "axis": 0}},
            {"class_name": "NonNeg", "config": {}},
            {"class_name": "UnitNorm", "config": {"axis": 0}},
            {"class_name": "MinMaxNorm", "config": {
                "min_value": self.number(0.1, 0.5), "max_value": self.number(0.6, 1.5),
                "rate": self.number(0.25, 1), "axis": 0}},
        ])

    def weighted(self, *kernels, bias=True, activation=True):
        """Options of a layer with such weights."""
        config = {}
        if activation:
            config["activation"] = self.activation()
        if bias and self.happens(0.25):
            config["use_bias"] = False
        for weight in (*kernels, *(["bias"] if bias and config.get("use_bias", True) else [])):
            if self.happens(0.15):
                config[f"{weight}_initializer"] = self.initializer()
            config.update(self.rules(weight))
        if self.happens(0.08):
            config["activity_regularizer"] = self.regularizer()
        return config

    def rules(self, *weights):
        """Penalties of such weights and what they are held to."""
        config = {}
        for weight in weights:
            if self.happens(0.12):
                config[f"{weight}_regularizer"] = self.regularizer()
            if self.happens(0.12):
                config[f"{weight}_constraint"] = self.constraint()
        return config

    def window(self, name, sizes, steps="strides"):
        """Sizes and strides of a window over `sizes`."""
        size = [self.whole(1, min(3, s)) for s in sizes]
        config = {name: size, "padding": self.one_of(["valid", "same"])}
        if self.happens(0.4):
            config[steps] = [self.whole(1, 2) for _ in sizes]
        return config

    def convolution(self, sizes, square_strides=False, dilation=True):
        config = self.window("kernel_size", sizes)
        if "strides" in config and square_strides:
            config["strides"] = [config["strides"][0]] * len(sizes)
        if dilation and "strides" not in config and self.happens(0.25):
            rate = self.whole(1, 2)
            config["dilation_rate"] = [rate if square_strides else self.whole(1, 2) for _ in sizes]
        if len(sizes) == 1:  # Keras 3 writes lists, and takes numbers as well
            config = {k: v[0] if isinstance(v, list) and self.happens(0.5) else v
                      for k, v in config.items()}
        return config


# Of a class: what it takes, "of" a rank, and its options.
def one_input_layers(c, shape):
    """(weight of the choice, class, config) for a value of this shape."""
    rank, channels = len(shape), shape[-1]
    images = shape[:-1]
    found = [
        (5, "Dense", lambda: {"units": c.whole(1, 6), **c.weighted("kernel")}),
        (1.5, "BatchNormalization", lambda: {
            "axis": c.one_of([-1, rank]), "momentum": c.number(0.1, 0.95),
            "epsilon": c.number(0.02, 0.3), "center": c.happens(0.8), "scale": c.happens(0.8),
            **c.rules("beta", "gamma")}),
        (1, "Activation", lambda: {"activation": c.one_of(ACTIVATIONS)}),
        (0.4, "ReLU", lambda: {"negative_slope": c.number(0, 0.5), "threshold": c.number(0, 0.3),
                               **({"max_value": c.number(0.5, 2)} if c.happens(0.5) else {})}),
        (0.4, "LeakyReLU", lambda: {"negative_slope": c.number(0.05, 0.5)}),
        (0.4, "ELU", lambda: {"alpha": c.number(0.25, 2)}),
        (0.4, "PReLU", lambda: {
            "shared_axes": [i + 1 for i in range(rank) if c.happens(0.5)] or None}),
        (0.4, "Softmax", lambda: {"axis": c.one_of([
            -1, c.whole(1, rank), [i + 1 for i in range(rank) if i == 0 or c.happens(0.5)]])}),
        (0.4, "Rescaling", lambda: {
            "scale": [c.number(0.25, 2) for _ in range(channels)] if c.happens(0.3)
            else c.number(0.25, 2), "offset": c.number(-1, 1)}),
        (0.4, "Normalization", lambda: {
            "axis": -1, "mean": [c.number(-1, 1) for _ in range(channels)],
            "variance": [c.number(0.25, 2) for _ in range(channels)],
            "invert": c.happens(0.3)}),
        (0.3, "Dropout", lambda: {"rate": 0.0}),
        (0.3, "ActivityRegularization", lambda: {"l1": c.number(0, 0.1), "l2": c.number(0, 0.1)}),
    ]
    if rank > 1:
        found += [
            (1, "Flatten", dict),
            (0.7, "Permute", lambda: {"dims": [int(i) + 1 for i in c.rng.permutation(rank)]}),
        ]
    size = int(np.prod(shape))
    shapes = [[a, b, size // a // b] for a in range(1, 7) for b in range(1, 7)
              if size % (a * b) == 0]
    found += [(0.7, "Reshape", lambda: {"target_shape": c.one_of(
        shapes + [[s[0], s[1] * s[2]] for s in shapes] + [[-1, s[2]] for s in shapes])})]
    if rank == 1:
        found += [(0.7, "RepeatVector", lambda: {"n": c.whole(1, 4)})]
    if rank not in (2, 3):
        return found
    d = f"{rank - 1}D"

    def groups():
        return c.one_of([g for g in range(1, channels + 1) if channels % g == 0])

    def conv():
        config = c.convolution(images)
        if rank == 2 and "dilation_rate" not in config and c.happens(0.3):
            config["padding"] = "causal"
        config["groups"] = groups() if c.happens(0.3) else 1
        return {"filters": config["groups"] * c.whole(1, 3), **config, **c.weighted("kernel")}

    def transposed():
        config = c.convolution(images, dilation=False)
        sizes = [v if isinstance(v, list) else [v] * (rank - 1) for v in
                 (config["kernel_size"], config.get("strides", [1]))]
        if any(k < s for k, s in zip(*sizes)):
            config.pop("strides", None)  # which TensorFlow does not survive
        return {"filters": c.whole(1, 4), **config, **c.weighted("kernel")}

    def sides(largest):
        if rank == 2:
            return [c.whole(0, largest), c.whole(0, largest)]
        return [[c.whole(0, largest), c.whole(0, largest)] for _ in images]

    def pooling():
        config = c.window("pool_size", images)
        if rank == 2:
            config = {k: v[0] if isinstance(v, list) else v for k, v in config.items()}
        return config

    found += [
        (3, f"Conv{d}", conv),
        (1, f"DepthwiseConv{d}", lambda: {
            **c.convolution(images, True), "depth_multiplier": c.whole(1, 2),
            **c.weighted("depthwise")}),
        (1, f"SeparableConv{d}", lambda: {
            "filters": c.whole(1, 4), **c.convolution(images, True),
            "depth_multiplier": c.whole(1, 2), **c.weighted("depthwise", "pointwise")}),
        (1, f"Conv{d}Transpose", transposed),
        (1, f"MaxPooling{d}", pooling),
        (1, f"AveragePooling{d}", pooling),
        (0.5, f"GlobalMaxPooling{d}", lambda: {"keepdims": c.happens(0.4)}),
        (0.5, f"GlobalAveragePooling{d}", lambda: {"keepdims": c.happens(0.4)}),
        (0.6, f"ZeroPadding{d}", lambda: {"padding": sides(2)}),
        (0.6, f"Cropping{d}", lambda: {"cropping": sides(1)}),
        (0.6, f"UpSampling{d}", lambda: {"size": c.whole(1, 3)} if rank == 2 else {
            "size": [c.whole(1, 2), c.whole(1, 3)],
            "interpolation": c.one_of(["nearest", "bilinear"])}),
    ]
    return found


NOISE = {
    "Dropout": lambda c: {"rate": c.number(0.1, 0.8), "seed": 3},
    "SpatialDropout1D": lambda c: {"rate": c.number(0.1, 0.8)},
    "SpatialDropout2D": lambda c: {"rate": c.number(0.1, 0.8)},
    "GaussianDropout": lambda c: {"rate": c.number(0.1, 0.8)},
    "GaussianNoise": lambda c: {"stddev": c.number(0.1, 0.8)},
    "AlphaDropout": lambda c: {"rate": c.number(0.1, 0.8)},
}


def draws(recipe):
    """Whether it draws in training mode: only inference can be compared."""
    return any(draws(layer["recipe"]) if "recipe" in layer
               else layer["class"] in NOISE and layer["config"].get("rate", 1) > 0
               for layer in recipe["layers"])


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
        count = 1 if kind == "Subtract" else c.whole(1, 2)
        others = []
        for _ in range(count):
            near = [i for i in range(len(self.values)) if i != source and not self.is_classes(i)
                    and self.fits(self.shape(i), shape)]
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


def loss_name(task):
    """In one spelling, of both forms."""
    name = task["loss"] if isinstance(task["loss"], str) else task["loss"]["class_name"]
    return {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError"}.get(
        name, name.title().replace("_", "") if "_" in name else name)


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


def arrays(recipe, seed):
    """Weights (as model.set_weights() takes them), x and y."""
    rng = np.random.default_rng([seed, 77])
    model = make_model(recipe)
    weights = []
    for weight in model.weights:
        size = 1.2 / np.sqrt(max(1, np.prod(weight.shape[:-1]))) if len(weight.shape) > 1 else 0.6
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -size
        weights.append(rng.uniform(low, low + 2 * size, weight.shape).astype("float32"))
    batch = recipe["batch"]
    x = [rng.integers(0, i["classes"], (batch, *i["shape"])).astype("float32")
         if i.get("classes") else rng.uniform(-1, 1, (batch, *i["shape"])).astype("float32")
         for i in recipe["inputs"]]
    y = []
    for task, output in zip(recipe["tasks"], model.outputs):
        shape = (batch, *output.shape[1:])
        name = loss_name(task)
        classes = rng.integers(0, shape[-1], shape[:-1])
        if name == "SparseCategoricalCrossentropy":
            value = classes
        elif name.startswith("Categorical") and "Cosine" not in name:
            value = np.eye(shape[-1])[classes]
        elif name in ("Hinge", "SquaredHinge"):
            value = 2 * rng.integers(0, 2, shape) - 1
            value.flat[0] = -1  # only 0 and 1 mean -1 and 1 to Keras
        elif name.startswith("Binary"):
            value = rng.integers(0, 2, shape)
        else:
            value = rng.uniform(0.1, 1, shape)
            if name == "KLDivergence":
                value /= value.sum(-1, keepdims=True)
        y.append(np.asarray(value, "float32"))
    return weights, x, y


# --- Smaller -----------------------------------------------------------------------------------


def without_unused(recipe):
    """Without calls that lead to no output, layers that are not called, and inputs nobody reads."""
    recipe = copy.deepcopy(recipe)
    inputs, needed = len(recipe["inputs"]), set(recipe["outputs"])
    for i in range(len(recipe["calls"]) - 1, -1, -1):
        if inputs + i in needed:
            needed.update(recipe["calls"][i][1])
    values = sorted(needed)
    number = {old: new for new, old in enumerate(values)}
    kept = [recipe["calls"][i - inputs] for i in values if i >= inputs]
    layers = sorted({layer for layer, _ in kept})
    recipe["calls"] = [[layers.index(layer), [number[i] for i in sources]]
                       for layer, sources in kept]
    recipe["layers"] = [recipe["layers"][i] for i in layers]
    recipe["inputs"] = [recipe["inputs"][i] for i in values if i < inputs]
    recipe["outputs"] = [number[i] for i in recipe["outputs"]]
    return recipe


def shapes_of(recipe):
    values = [keras.layers.Input(i["shape"]) for i in recipe["inputs"]]
    layers = [make_layer(layer, None) for layer in recipe["layers"]]
    for layer, sources in recipe["calls"]:
        sources = [values[i] for i in sources]
        values.append(layers[layer](sources if len(sources) > 1 else sources[0]))
    return [list(value.shape[1:]) for value in values]


def smaller(recipe):
    """Recipes with less in them, those with much less first."""
    mse = {"loss": "mse", "weight": 1.0}
    inputs = len(recipe["inputs"])

    def changed(**changes):
        return without_unused({**copy.deepcopy(recipe), **changes})

    for value in range(inputs, inputs + len(recipe["calls"])):
        if recipe["outputs"] != [value]:
            yield changed(outputs=[value], tasks=[mse])
    for i in range(len(recipe["outputs"])):
        if len(recipe["outputs"]) > 1:
            yield changed(outputs=recipe["outputs"][:i] + recipe["outputs"][i + 1:],
                          tasks=recipe["tasks"][:i] + recipe["tasks"][i + 1:])
    # An input in place of what a call gives, or of what it takes.
    shapes = shapes_of(recipe)
    for value in range(inputs + len(recipe["calls"]) - 1, inputs - 1, -1):
        def moved(i, value=value):
            return inputs if i == value else i + (i >= inputs)
        calls = [[layer, [moved(i) for i in sources]] for layer, sources in recipe["calls"]]
        if value not in recipe["outputs"]:
            yield changed(inputs=[*recipe["inputs"], {"shape": shapes[value]}], calls=calls,
                          outputs=[moved(i) for i in recipe["outputs"]])
        for source in recipe["calls"][value - inputs][1]:
            if shapes[source] == shapes[value] and value not in recipe["outputs"]:
                calls = [[layer, [source if i == value else i for i in sources]]
                         for layer, sources in recipe["calls"]]
                yield changed(calls=calls)
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.125}}
    if recipe["optimizer"] != sgd:
        yield changed(optimizer=sgd)
        for key in recipe["optimizer"]["config"]:
            config = {k: v for k, v in recipe["optimizer"]["config"].items() if k != key}
            yield changed(optimizer={**recipe["optimizer"], "config": config})
    for i, task in enumerate(recipe["tasks"]):
        for other in ({**task, "weight": 1.0}, mse):
            if other != task:
                yield changed(tasks=recipe["tasks"][:i] + [other] + recipe["tasks"][i + 1:])
    for i, layer in enumerate(recipe["layers"]):
        others = [{**layer, "trainable": True}] if not layer["trainable"] else []
        if "config" in layer:
            others += [{**layer, "config": {k: v for k, v in layer["config"].items() if k != key}}
                       for key in layer["config"]]
        for other in others:
            yield changed(layers=recipe["layers"][:i] + [other] + recipe["layers"][i + 1:])
    if recipe["batch"] > 2:
        yield changed(batch=2)
