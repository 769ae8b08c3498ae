"""Operations that a model calls without a layer, and models of dictionaries."""
from cases import Case


def arithmetic(k):
    layer = k.layers
    image = layer.Input((4, 4, 2), name="image")
    y = layer.Conv2D(3, 3, padding="same", name="first")(1 - (image / 2.5 - 0.25) * 0.5)
    z = layer.Conv2D(3, 1, name="second")(-k.ops.maximum(y, 0) + 0.5)
    merged = k.ops.maximum(y + z, k.ops.minimum(y * z, y - z))
    flat = k.ops.reshape(k.ops.transpose(merged, (0, 3, 1, 2)), (-1, 48))
    probs = layer.Dense(2, activation="softmax", name="probs")(flat)
    return k.Model(image, probs, name="arithmetic")


def functions(k):
    layer, ops = k.layers, k.ops
    x = layer.Input((4, 6, 3), name="x")
    y = layer.Conv2D(4, 3, name="first")(x)
    places = ops.concatenate(
        [ops.relu(y), ops.tanh(y), ops.leaky_relu(y), ops.elu(y, alpha=0.5), ops.gelu(y),
         ops.silu(y), ops.softmax(y), ops.hard_silu(y), ops.exp(y)],
        axis=-1,
    )
    total = ops.mean(places, axis=(1, 2)) + ops.max(places, axis=[-3, -2])
    probs = layer.Dense(2, activation="softmax", name="probs")(total)
    return k.Model(x, probs, name="functions")


def sequences(k):
    layer = k.layers
    x = layer.Input((5, 3), name="x")
    y = layer.Conv1D(4, 2, name="first")(x)
    both = k.ops.concatenate([k.ops.mean(y, axis=1, keepdims=True), y], axis=1)
    return k.Model(x, layer.Dense(2, name="last")(k.ops.sigmoid(both)), name="sequences")


def dictionaries(k):
    """Whose order is that of their keys."""
    layer = k.layers
    zero, one = layer.Input((3,), name="zero"), layer.Input((3,), name="one")
    pair = k.Model(
        {"b": zero, "a": one},
        {"y": layer.Dense(4, name="dense")(layer.Subtract(name="subtract")([zero, one]))},
        name="pair",
    )
    x = layer.Input((3,), name="x")
    y = pair({"a": layer.Dense(3, name="before")(x), "b": x})["y"]
    return k.Model({"only": x}, {"z": layer.Dense(2, name="last")(y)}, name="dictionaries")


def dictionary_of_names(k):
    """A model of a list of inputs takes a dictionary by their names."""
    layer = k.layers
    zero, one = layer.Input((3,), name="zero"), layer.Input((3,), name="one")
    pair = k.Model([zero, one], layer.Subtract(name="subtract")([zero, one]), name="pair")
    x = layer.Input((3,), name="x")
    y = pair({"one": layer.Dense(3, name="before")(x), "zero": x})
    return k.Model(x, layer.Dense(2, name="last")(y), name="dictionary_of_names")


PROBABILITIES = {"loss": "categorical_crossentropy", "keras2": False}
CASES = [
    Case("arithmetic", arithmetic, **PROBABILITIES),
    Case("functions", functions, **PROBABILITIES),
    Case("sequences", sequences, keras2=False),
    Case("dictionaries", dictionaries, keras2=False),
    Case("dictionary_of_names", dictionary_of_names, keras2=False),
]
