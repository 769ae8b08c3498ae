"""Penalties of weights and what they are held to."""
import keras
from cases import Case, one_layer


def orthogonal(name, units, factor, mode):
    def dense(layers):
        regularizer = keras.regularizers.OrthogonalRegularizer(factor, mode)
        regularizer.factor = factor  # which is float32 otherwise, whatever the weights are
        return layers.Dense(units, kernel_regularizer=regularizer)

    return one_layer(name, (20,), dense, keras2=False)


def shared(k):
    """A penalty of a layer that is called twice counts once, and none of one that is frozen."""
    layer = k.layers
    x = layer.Input((4,), name="x")
    twice = layer.Dense(4, activation="tanh", kernel_regularizer="l2", bias_regularizer="l1",
                        name="twice")
    frozen = layer.Dense(4, trainable=False, kernel_regularizer="l2",
                         kernel_constraint="unit_norm", name="frozen")
    return k.Model(x, layer.Dense(3, name="last")(twice(frozen(twice(x)))), name="shared")


def constrained(k):
    """After each step, which the next ones begin from."""
    layer = k.layers
    constraints = k.constraints
    return k.Sequential(
        [
            layer.Input((5, 6, 3), name="x"),
            layer.Conv2D(4, 3, activation="tanh", name="filters",
                         kernel_constraint=constraints.MaxNorm(0.7, axis=[0, 1, 2]),
                         bias_constraint=constraints.NonNeg()),
            layer.Conv2D(4, 2, activation="tanh", name="rows",
                         kernel_constraint=constraints.UnitNorm(axis=1)),
            layer.Flatten(name="flat"),
            layer.Dense(6, name="between",
                        kernel_constraint=constraints.MinMaxNorm(0.5, 1.5, rate=0.6, axis=0)),
            layer.Dense(3, name="last", kernel_constraint="non_neg",
                        bias_constraint=constraints.MaxNorm(0.3)),
        ],
        name="constrained",
    )


def active(k):
    """Penalties of what is given, for each call and of frozen layers too."""
    layer = k.layers
    image = layer.Input((5, 6, 3), name="image")
    y = layer.Conv2D(16, 3, activation="relu", name="conv",
                     activity_regularizer={"class_name": "L1L2",
                                           "config": {"l1": 0.02, "l2": 0.03}})(image)
    y = layer.MaxPooling2D((3, 4), name="pool")(y)
    y = layer.Flatten(name="flat")(layer.ActivityRegularization(l2=0.01, name="between")(y))
    twice = layer.Dense(16, activation="tanh", activity_regularizer="l1", name="twice")
    frozen = layer.Dense(16, trainable=False, activity_regularizer="l2", name="frozen")
    y = layer.Dense(3, activation="softmax", activity_regularizer="l2",
                    name="last")(frozen(twice(twice(y))))
    return k.Model(image, y, name="active")


CASES = [
    orthogonal("orthogonal_rows", 18, 0.5, "rows"),
    orthogonal("orthogonal_columns", 4, 0.25, "columns"),
    one_layer("embeddings_with_rules", (3,), lambda l: l.Embedding(
        5, 4, embeddings_regularizer="l2", embeddings_constraint="non_neg",
        activity_regularizer="l1"), classes=5),
    one_layer("activity_of_filters", (5, 6, 3), lambda l: l.SeparableConv2D(
        4, 3, activation="tanh", activity_regularizer="l2"), keras2=False),
    one_layer("activity_of_transposed_filters", (5, 3), lambda l: l.Conv1DTranspose(
        4, 3, activity_regularizer="l1")),
    one_layer("activity_of_inputs", (5,), lambda l: l.ActivityRegularization(l1=0.1, l2=0.2)),
    Case("activities", active, loss="categorical_crossentropy"),
    one_layer("l1", (4,), lambda l: l.Dense(3, kernel_regularizer="l1")),
    one_layer("l2_of_a_bias", (4,), lambda l: l.Dense(3, bias_regularizer="l2")),
    one_layer("l1_l2_of_filters", (5, 6, 3), lambda l: l.Conv2D(
        4, 3, kernel_regularizer={"class_name": "L1L2", "config": {"l1": 0.02, "l2": 0.03}})),
    one_layer("l2_of_a_depthwise_kernel", (5, 6, 2), lambda l: l.DepthwiseConv2D(
        3, depthwise_regularizer="l2", depthwise_constraint="max_norm"), keras2=False),
    one_layer("l1_of_a_pointwise_kernel", (7, 3), lambda l: l.SeparableConv1D(
        4, 3, pointwise_regularizer="l1", bias_constraint="non_neg"), keras2=False),
    one_layer("constrained_transposed_kernel", (4, 4, 2), lambda l: l.Conv2DTranspose(
        3, 2, strides=2, kernel_regularizer="l2", kernel_constraint="non_neg"), keras2=False),
    Case("shared_penalty", shared),
    Case("constrained", constrained),
]
