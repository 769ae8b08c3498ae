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


CASES = [dense(name, low=-2, high=2) for name in BOTH]
CASES += [dense(name, keras2=False, low=-2, high=2) for name in NEW]
CASES += [alone(name) for name in BOTH + NEW]
CASES += [
    layer("relu", lambda l: l.ReLU(name="f")),
    layer("relu_all", lambda l: l.ReLU(1.5, 0.25, 0.5, name="f")),
    layer("leaky_relu", lambda l: l.LeakyReLU(name="f"), keras2=False),  # which writes 0.3f
    layer("leaky_relu_slope", lambda l: l.LeakyReLU(0.125, name="f")),
    layer("elu_alpha", lambda l: l.ELU(1.5, name="f")),
    layer("softmax", lambda l: l.Softmax(name="f")),
    layer("softmax_axis", lambda l: l.Softmax(1, name="f"), shape=(4, 2, 3)),
    layer("as_object", lambda l: l.Dense(4, activation=l.LeakyReLU(0.125), name="f")),
    layer("activation_of_object", lambda l: l.Activation(l.ELU(0.5), name="f")),
]
