"""Layers that prepare inputs, and those that draw noise in training."""
from cases import Case, one_layer


def shared_embedding(k):
    """One table for two places, with a row that comes often."""
    layer = k.layers
    x = layer.Input((4,), name="x")
    table = layer.Embedding(3, 2, name="table")
    again = layer.Reshape((8,), name="again")(table(x))
    first = layer.Flatten(name="first")(table(layer.Reshape((2, 2), name="square")(x)))
    return k.Model(x, layer.Add(name="sum")([again, first]), name="model")


CASES = [
    one_layer("rescaling", (3, 4), lambda l: l.Rescaling(1 / 127.5, offset=-1)),
    one_layer("rescaling_features", (2, 3), lambda l: l.Rescaling([0.5, 2.0, -1.5], offset=0)),
    one_layer("normalization", (2, 3),
              lambda l: l.Normalization(mean=[1.0, 2.0, -0.5], variance=[0.25, 3.0, 0.09])),
    one_layer("normalization_of_all", (2, 3),
              lambda l: l.Normalization(axis=None, mean=0.5, variance=2.0)),
    one_layer("normalization_inverted", (3,),
              lambda l: l.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.0, 1.0],
                                        invert=True)),
    one_layer("normalization_of_weights", (2, 3), lambda l: l.Normalization()),
    one_layer("normalization_of_weights_inverted", (2, 3),
              lambda l: l.Normalization(axis=None, invert=True)),
    one_layer("embedding", (5,), lambda l: l.Embedding(7, 3), classes=7, batch=6),
    one_layer("embedding_of_an_image", (2, 3), lambda l: l.Embedding(20, 2), classes=20),
    Case("shared_embedding", shared_embedding, classes=3),
    one_layer("dropout_of_rows", (3, 4), lambda l: l.Dropout(0.5, noise_shape=(None, 1, 4)),
              random=True),
    one_layer("spatial_dropout_1d", (3, 4), lambda l: l.SpatialDropout1D(0.3), random=True),
    one_layer("spatial_dropout_2d", (3, 4, 2), lambda l: l.SpatialDropout2D(0.3), random=True),
    one_layer("gaussian_noise", (3,), lambda l: l.GaussianNoise(0.2, seed=3), random=True),
    one_layer("gaussian_dropout", (3,), lambda l: l.GaussianDropout(0.2), random=True),
    one_layer("alpha_dropout", (3,), lambda l: l.AlphaDropout(0.2), random=True),
]
