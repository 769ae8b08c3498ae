"""Normalization, with and without a state."""
from cases import Case, one_layer


def behind_convolutions(k):
    """As it is mostly used, in images and in rows; the poolings take a gradient through a ReLU."""
    layer = k.layers
    x = layer.Input((8, 8, 3), name="x")
    y = layer.Conv2D(16, 3, use_bias=False, name="conv")(x)
    y = layer.BatchNormalization(axis=3, momentum=0.9, name="norm")(y)
    y = layer.Activation("relu", name="relu")(y)
    y = layer.Conv2D(16, (1, 3), padding="same", activation="relu", name="conv_1")(y)
    y = layer.BatchNormalization(axis=3, epsilon=0.01, name="norm_1")(y)
    y = layer.MaxPooling2D(name="pool")(y)
    y = layer.Flatten(name="flat")(y)
    y = layer.Dense(5, name="dense")(y)
    y = layer.BatchNormalization(axis=1, name="norm_2")(y)
    return k.Model(x, layer.Activation("tanh", name="tanh")(y), name="model")


def in_a_residual_block(k):
    layer = k.layers
    x = layer.Input((4, 5, 16), name="x")
    y = layer.Conv2D(16, (3, 1), padding="same", name="conv")(x)
    y = layer.BatchNormalization(axis=3, name="norm")(y)
    y = layer.Activation("relu", name="relu")(y)
    z = layer.Conv2D(16, (1, 2), padding="same", name="conv_1")(y)
    z = layer.BatchNormalization(axis=3, name="norm_1")(z)
    y = layer.Activation("relu", name="out")(layer.Add(name="add")([y, z]))
    return k.Model(x, y, name="model")


def residual_network(k):
    """Two blocks of ResNet, the second of which halves the image and projects its input."""
    layer = k.layers

    def convolved(x, name, **options):
        x = layer.Conv2D(16, padding="same", use_bias=False, name=f"conv{name}", **options)(x)
        return layer.BatchNormalization(axis=3, name=f"norm{name}")(x)

    x = layer.Input((6, 6, 3), name="x")
    y = layer.Activation("relu", name="relu")(convolved(x, "", kernel_size=3))
    for block, strides in enumerate((1, 2)):
        z = convolved(y, f"_{block}a", kernel_size=(2, 1), strides=strides)
        z = layer.Activation("relu", name=f"relu_{block}a")(z)
        z = convolved(z, f"_{block}b", kernel_size=1)
        if strides > 1:
            y = convolved(y, f"_{block}c", kernel_size=1, strides=strides)
        y = layer.Activation("relu", name=f"relu_{block}")(layer.Add(name=f"add_{block}")([y, z]))
    return k.Model(x, layer.GlobalAveragePooling2D(name="mean")(y), name="model")


def called_twice(k):
    layer = k.layers
    x = layer.Input((5,), name="x")
    norm = layer.BatchNormalization(axis=1, momentum=0.5, name="norm")
    y = layer.Dense(5, activation="tanh", name="dense")(norm(x))
    return k.Model(x, norm(y), name="model")


def called_in_branches(make_inside):
    """Calls that lie equally deep come in the order in which Keras meets them from the output back,
    so that the statistics end with those of the first branch."""

    def make(k):
        layer = k.layers
        x = layer.Input((5,), name="x")
        inside = make_inside(k)
        y = inside(layer.Dense(5, activation="tanh", name="dense")(x))
        branches = [layer.Dense(4, name="dense_1")(inside(x)), layer.Dense(4, name="dense_2")(y)]
        return k.Model(x, layer.Add(name="add")(branches), name="model")

    return make


def norm(k):
    return k.layers.BatchNormalization(axis=1, momentum=0.5, name="norm")


def model_with_norm(k):
    z = k.layers.Input((5,), name="z")
    return k.Model(z, k.layers.Activation("tanh", name="tanh")(norm(k)(z)), name="inside")


def batch_norm(name, shape, keras2=False, **options):
    return one_layer(name, shape, lambda l: l.BatchNormalization(**options), batch=5, keras2=keras2)


def with_rules(k):
    """After each step, which the next ones begin from."""
    layer = k.layers
    x = layer.Input((5, 4, 3), name="x")
    y = layer.Conv2D(16, 2, use_bias=False, name="conv")(x)
    y = layer.BatchNormalization(axis=3, gamma_regularizer="l1", beta_constraint="non_neg",
                                 name="norm")(y)
    y = layer.Conv2D(4, 1, activation="relu", name="conv_1")(y)
    y = layer.Flatten(name="flat")(y)
    y = layer.BatchNormalization(axis=1, beta_regularizer="l2",
                                 gamma_constraint=k.constraints.MaxNorm(2.5), name="norm_1")(y)
    return k.Model(x, layer.Dense(3, name="dense")(y), name="model")


def in_groups(k):
    """Normalizations within a sample around convolutions, with rules for their weights."""
    layer = k.layers
    x = layer.Input((6, 5, 4), name="x")
    y = layer.Conv2D(16, 3, padding="same", use_bias=False, name="conv")(x)
    y = layer.GroupNormalization(groups=4, gamma_regularizer="l2", name="norm")(y)
    y = layer.Activation("relu", name="relu")(y)
    y = layer.Conv2D(16, (1, 3), name="conv_1")(y)
    y = layer.LayerNormalization(
        axis=3, beta_regularizer="l1", gamma_constraint="non_neg", name="norm_1"
    )(y)
    y = layer.Flatten(name="flat")(y)
    return k.Model(x, layer.Dense(3, name="dense")(y), name="model")


def within(name, kind, shape, keras2=True, features=0, **options):
    return one_layer(name, shape, lambda l: getattr(l, kind)(**options), features, keras2=keras2)


def layer_norm(name, shape, keras2=False, **options):
    return within("layer_norm" + name, "LayerNormalization", shape, keras2, **options)


def group_norm(name, shape, **options):
    return within("group_norm" + name, "GroupNormalization", shape, **options)


def rms_norm(name, shape, **options):
    return within("rms_norm" + name, "RMSNormalization", shape, keras2=False, **options)


def unit_norm(name, shape, **options):
    return within("unit_norm" + name, "UnitNormalization", shape, **options)


CASES = [
    Case("behind_convolutions", behind_convolutions),
    Case("in_a_residual_block", in_a_residual_block),
    Case("residual_network", residual_network, keras2=False),
    Case("called_twice", called_twice),
    Case("called_in_branches", called_in_branches(norm)),
    Case("model_called_in_branches", called_in_branches(model_with_norm)),
    batch_norm("batch_norm_of_rows", (7,), axis=1, keras2=True),
    batch_norm("batch_norm_of_rank_2", (3, 4)),
    batch_norm("batch_norm_of_3_channels", (4, 5, 3), momentum=0.8),
    batch_norm("batch_norm_of_16_channels", (4, 3, 16)),
    batch_norm("batch_norm_not_centered", (4, 3, 2), center=False),
    batch_norm("batch_norm_not_scaled", (4, 3, 2), scale=False),
    batch_norm("batch_norm_plain", (4, 3, 2), center=False, scale=False),
    batch_norm("batch_norm_frozen", (4, 3, 2), trainable=False),
    batch_norm("batch_norm_momentum_0", (6,), momentum=0.0),
    Case("batch_norm_with_rules", with_rules),
    Case("in_groups", in_groups),
    layer_norm("", (7,), keras2=True, axis=1, epsilon=0.01),
    layer_norm("_of_many", (70,), features=3),
    layer_norm("_of_images", (4, 3, 16), features=3),
    layer_norm("_over_all_axes", (4, 3, 2), axis=[1, 2, 3]),
    layer_norm("_over_rows", (4, 3, 2), keras2=True, axis=1),
    layer_norm("_over_axes_apart", (4, 3, 2), keras2=True, axis=[1, 3]),
    layer_norm("_over_axes_in_front", (4, 3, 2), axis=[2, 1]),
    layer_norm("_not_centered", (4, 5), keras2=True, axis=2, center=False),
    layer_norm("_not_scaled", (4, 5), keras2=True, axis=2, scale=False),
    layer_norm("_plain", (4, 5), center=False, scale=False),
    layer_norm("_frozen", (4, 5), trainable=False),
    group_norm("", (4, 3, 6), groups=3, epsilon=0.01),
    group_norm("_of_one", (5, 6), groups=1),
    group_norm("_of_rows", (8,), groups=2),
    group_norm("_of_each", (4, 3, 6), groups=-1),
    group_norm("_of_16_channels", (4, 5, 16), groups=4, features=3),
    group_norm("_over_axis_1", (6, 3, 4), groups=2, axis=1),
    group_norm("_over_axis_2", (3, 6, 4), groups=3, axis=-2),
    group_norm("_not_centered", (3, 4), groups=2, center=False),
    group_norm("_not_scaled", (3, 4), groups=2, scale=False),
    group_norm("_plain", (3, 4), groups=2, center=False, scale=False),
    rms_norm("", (7,)),
    rms_norm("_over_axes", (4, 3, 2), axis=[2, 3], epsilon=0.01),
    unit_norm("", (7,)),
    unit_norm("_over_axes", (4, 3, 2), axis=[1, 2]),
    unit_norm("_over_rows", (5, 4), axis=1),
]
