"""Every activation function, alone and behind a dense layer, and the layers that are one."""
from cases import Case, one_layer

# Those that have the same formula and are written alike in Keras 2.
BOTH = "elu selu gelu mish sigmoid softplus softsign tanh exponential softmax".split()
NEW = (
    "relu6 leaky_relu celu silu swish hard_sigmoid hard_silu hard_swish log_sigmoid sparse_sigmoid "
    "hard_tanh tanh_shrink hard_shrink soft_shrink sparse_plus squareplus log_softmax"
).split()


def dense(name, **options):
    return one_layer(name, (5,), lambda layers: layers.Dense(4, name, name="dense"), **options)


def alone(name):
    # Behind a mean, so that no layer before it can compute it.
    def make(k):
        x = k.layers.Input((5,), name="x")
        y = k.layers.Dense(4, name="before")(x)
        y = k.layers.Average(name="mean")([y, y])
        y = k.layers.Activation(name, name="activation")(y)
        return k.Model(x, k.layers.Dense(3, name="after")(y), name="model")

    return Case(f"alone_{name}", make, keras2=name in BOTH)


def layer(name, make_layer, shape=(4, 3), **options):
    return one_layer(name, shape, make_layer, low=-2, high=2, **options)


def learned_slopes(k):
    """Behind a convolution, with rules for the slopes."""
    layer = k.layers
    x = layer.Input((5, 6, 3), name="x")
    y = layer.Conv2D(16, 2, name="conv")(x)
    y = layer.PReLU(shared_axes=[1, 2], alpha_constraint="non_neg", name="prelu")(y)
    y = layer.Conv2D(4, 1, name="conv_1")(y)
    y = layer.PReLU(alpha_regularizer="l2", name="prelu_1")(y)
    return k.Model(x, layer.Dense(3, name="dense")(layer.Flatten(name="flat")(y)), name="model")


CASES = [dense(name, low=-2, high=2) for name in BOTH]
CASES += [dense(name, keras2=False, low=-2, high=2) for name in NEW]
CASES += [alone(name) for name in BOTH + NEW]
CASES += [
    layer("relu", lambda l: l.ReLU(name="f")),
    layer("relu_all", lambda l: l.ReLU(1.5, 0.25, 0.5, name="f")),
    layer("leaky_relu", lambda l: l.LeakyReLU(name="f"), keras2=False),  # which writes 0.3f
    layer("leaky_relu_slope", lambda l: l.LeakyReLU(0.125, name="f")),
    layer("prelu", lambda l: l.PReLU(name="f")),
    layer("prelu_of_rows", lambda l: l.PReLU(name="f"), shape=(5,)),
    layer("prelu_of_channels", lambda l: l.PReLU(shared_axes=[1, 2], name="f"), shape=(4, 2, 3)),
    layer("prelu_of_columns", lambda l: l.PReLU(shared_axes=[1, 3], name="f"), shape=(4, 2, 3)),
    layer("prelu_of_all", lambda l: l.PReLU(shared_axes=[1, 2], name="f")),
    Case("learned_slopes", learned_slopes),
    layer("elu_alpha", lambda l: l.ELU(1.5, name="f")),
    layer("softmax", lambda l: l.Softmax(name="f")),
    layer("softmax_axis", lambda l: l.Softmax(1, name="f"), shape=(4, 2, 3)),
    layer("softmax_of_one_column", lambda l: l.Softmax(1, name="f"), shape=(4, 1),
          loss="categorical_crossentropy"),
    layer("softmax_axes", lambda l: l.Softmax([2, 3], name="f"), shape=(4, 2, 3)),
    layer("softmax_axes_in_front", lambda l: l.Softmax([1, 2], name="f"), shape=(4, 2, 3)),
    layer("softmax_axes_apart", lambda l: l.Softmax([-1, 1], name="f"), shape=(4, 2, 3)),
    layer("as_object", lambda l: l.Dense(4, activation=l.LeakyReLU(0.125), name="f")),
    layer("activation_of_object", lambda l: l.Activation(l.ELU(0.5), name="f")),
]
