"""What random models consist of: layers of one input, by the shape that they are given."""
import numpy as np

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
