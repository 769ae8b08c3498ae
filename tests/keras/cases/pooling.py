"""Poolings of windows and of whole images and sequences."""
from cases import one_layer

IMAGE = (5, 7, 3)
SEQUENCE = (7, 3)

CASES = [
    one_layer("max_pooling2d_overlap", IMAGE, lambda l: l.MaxPooling2D(3, (1, 2))),
    one_layer("average_pooling2d_gaps", IMAGE, lambda l: l.AveragePooling2D((1, 2), 3, "same")),
    one_layer("max_pooling1d", SEQUENCE, lambda l: l.MaxPooling1D()),
    one_layer("max_pooling1d_same", SEQUENCE, lambda l: l.MaxPooling1D(3, 2, "same")),
    one_layer("average_pooling1d", SEQUENCE, lambda l: l.AveragePooling1D(3, 1)),
    one_layer("average_pooling1d_same", SEQUENCE, lambda l: l.AveragePooling1D(2, padding="same")),
    one_layer("global_average_pooling2d", IMAGE, lambda l: l.GlobalAveragePooling2D()),
    one_layer("global_average_pooling2d_kept", IMAGE,
              lambda l: l.GlobalAveragePooling2D(keepdims=True)),
    one_layer("global_max_pooling2d", IMAGE, lambda l: l.GlobalMaxPooling2D()),
    one_layer("global_max_pooling2d_kept", (4, 4, 16),
              lambda l: l.GlobalMaxPooling2D(keepdims=True)),
    one_layer("global_average_pooling1d", SEQUENCE, lambda l: l.GlobalAveragePooling1D()),
    one_layer("global_max_pooling1d", SEQUENCE, lambda l: l.GlobalMaxPooling1D()),
    one_layer("global_max_pooling1d_kept", SEQUENCE,
              lambda l: l.GlobalMaxPooling1D(keepdims=True)),
]
