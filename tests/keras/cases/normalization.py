"""Normalization, with and without a state."""
from cases import Case, one_layer


def behind_convolutions(k):
    """As it is mostly used, in images and in rows; the poolings take a gradient through a ReLU."""
    layer = k.layers
    x = layer.Input((8, 8, 3), name="x")
    y = layer.Conv2D(16, 3, use_bias=False, name="conv")(x)
    y = layer.BatchNormalization(axis=3, momentum=0.9, name="norm")(y)
    y = layer.Activation("relu", name="relu")(y)
    y = layer.Conv2D(16, 3, padding="same", activation="relu", name="conv_1")(y)
    y = layer.BatchNormalization(axis=3, epsilon=0.01, name="norm_1")(y)
    y = layer.MaxPooling2D(name="pool")(y)
    y = layer.Flatten(name="flat")(y)
    y = layer.Dense(5, name="dense")(y)
    y = layer.BatchNormalization(axis=1, name="norm_2")(y)
    return k.Model(x, layer.Activation("tanh", name="tanh")(y), name="model")


def in_a_residual_block(k):
    layer = k.layers
    x = layer.Input((6, 6, 16), name="x")
    y = layer.Conv2D(16, 3, padding="same", name="conv")(x)
    y = layer.BatchNormalization(axis=3, name="norm")(y)
    y = layer.Activation("relu", name="relu")(y)
    z = layer.Conv2D(16, 3, padding="same", name="conv_1")(y)
    z = layer.BatchNormalization(axis=3, name="norm_1")(z)
    y = layer.Activation("relu", name="out")(layer.Add(name="add")([y, z]))
    return k.Model(x, y, name="model")


def called_twice(k):
    layer = k.layers
    x = layer.Input((5,), name="x")
    norm = layer.BatchNormalization(axis=1, momentum=0.5, name="norm")
    y = layer.Dense(5, activation="tanh", name="dense")(norm(x))
    return k.Model(x, norm(y), name="model")


def batch_norm(name, shape, keras2=False, **options):
    return one_layer(name, shape, lambda l: l.BatchNormalization(**options), batch=5, keras2=keras2)


CASES = [
    Case("behind_convolutions", behind_convolutions),
    Case("in_a_residual_block", in_a_residual_block),
    Case("called_twice", called_twice),
    batch_norm("batch_norm_of_rows", (7,), axis=1, keras2=True),
    batch_norm("batch_norm_of_rank_2", (3, 4)),
    batch_norm("batch_norm_of_3_channels", (4, 5, 3), momentum=0.8),
    batch_norm("batch_norm_of_16_channels", (4, 3, 16)),
    batch_norm("batch_norm_not_centered", (4, 3, 2), center=False),
    batch_norm("batch_norm_not_scaled", (4, 3, 2), scale=False),
    batch_norm("batch_norm_plain", (4, 3, 2), center=False, scale=False),
    batch_norm("batch_norm_frozen", (4, 3, 2), trainable=False),
    batch_norm("batch_norm_momentum_0", (6,), momentum=0.0),
]
