"""Dense layers, convolutions, poolings and what goes between them."""
from cases import Case, one_layer


def residual(k):
    """Branches, a layer that is called twice, and one that is not trained."""
    layer = k.layers
    same = dict(filters=4, kernel_size=3, padding="same")
    image = layer.Input((6, 6, 2), name="image")
    first = layer.Conv2D(**same, activation="relu", name="first")(image)
    shared = layer.Conv2D(**same, activation="tanh", name="shared")
    other = layer.Conv2D(**same, trainable=False, name="other")(first)
    total = layer.Add(name="total")([shared(other), shared(first), first])
    pooled = layer.MaxPooling2D(name="pooled")(total)
    flat = layer.Flatten(name="flat")(pooled)
    return k.Model(image, layer.Dense(3, activation="softmax", name="probs")(flat), name="residual")


def merges(k):
    """Every layer that merges element by element."""
    layer = k.layers
    x = layer.Input((5,), name="x")
    a = layer.Dense(4, activation="tanh", name="a")(x)
    b = layer.Dense(4, name="b")(x)
    c = layer.Dense(4, activation="sigmoid", name="c")(x)
    largest = layer.Maximum(name="largest")([a, b, c])
    smallest = layer.Minimum(name="smallest")([a, b])
    span = layer.Subtract(name="span")([largest, smallest])
    product = layer.Multiply(name="product")([span, a, c])
    mean = layer.Average(name="mean")([product, b, largest])
    total = layer.Add(name="total")([mean, smallest])
    return k.Model(x, layer.Dense(3, activation="softmax", name="probs")(total), name="merges")


def activated_merges(k):
    """Activations behind merges, whose outputs and inputs others read too."""
    layer = k.layers
    x = layer.Input((5,), name="x")
    a = layer.Dense(4, name="a")(x)
    b = layer.Dense(4, activation="tanh", name="b")(x)
    total = layer.Activation("relu", name="relu")(layer.Add(name="total")([a, b]))
    span = layer.Activation("tanh", name="tanh")(layer.Subtract(name="span")([total, b]))
    product = layer.Activation("sigmoid", name="sigmoid")(
        layer.Multiply(name="product")([span, total])
    )
    mean = layer.ELU(name="elu")(layer.Average(name="mean")([product, a, span]))
    largest = layer.Activation("relu", name="relu_1")(layer.Maximum(name="largest")([mean, b]))
    return k.Model(x, layer.Dense(3, name="dense")(largest), name="model")


def all_layers(k):
    layer = k.layers
    return k.Sequential(
        [
            layer.Input((12, 14, 3), name="input_layer"),
            layer.Conv2D(8, (3, 5), strides=(2, 1), padding="same", activation="relu",
                         kernel_initializer="he_normal", name="first"),
            layer.AveragePooling2D((2, 3), strides=(1, 2), padding="same", name="average"),
            layer.Conv2D(4, 3, activation="tanh", use_bias=False, name="second"),
            layer.MaxPooling2D(2, name="max"),
            layer.Dropout(0.25, seed=7, name="drop"),
            layer.Activation("sigmoid", name="squash"),
            layer.Flatten(name="flat"),
            layer.Dense(16, kernel_initializer="he_uniform", bias_initializer="ones", name="dense"),
            layer.Dense(10, activation="softmax", name="probs"),
        ],
        name="all_layers",
    )


def model_of_two_inputs(k):
    """As a layer: Keras 3 writes a mask for each of its inputs."""
    layer = k.layers
    a, b = layer.Input((3,), name="a"), layer.Input((3,), name="b")
    inner = k.Model([a, b], layer.Multiply(name="both")([layer.Dense(3, name="dense")(a), b]),
                    name="inner")
    x, y = layer.Input((3,), name="x"), layer.Input((3,), name="y")
    return k.Model([x, y], inner([inner([x, y]), y]), name="model")


CASES = [
    Case("model_of_two_inputs", model_of_two_inputs),
    Case("residual", residual, loss="categorical_crossentropy"),
    Case("merges", merges),
    Case("activated_merges", activated_merges, keras2=False),
    Case("all_layers", all_layers, random=True),
    one_layer("dense_of_rank_3", (4, 5), lambda l: l.Dense(3, activation="tanh")),
    one_layer("max_pooling_same", (5, 7, 2), lambda l: l.MaxPooling2D((2, 3), 2, "same")),
    one_layer("average_pooling_same", (5, 7, 2), lambda l: l.AveragePooling2D(3, 2, "same")),
]
