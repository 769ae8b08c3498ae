"""Layers that move, pad, repeat and join elements, and merges of inputs of several shapes."""
from cases import Case, one_layer


def branches(shapes, join):
    """A dense layer for each shape, reshaped to it, and what join(keras.layers, tensors) makes."""

    def make(k):
        x = k.layers.Input((5,), name="x")
        tensors = []
        for i, shape in enumerate(shapes):
            size = 1
            for n in shape:
                size *= n
            dense = k.layers.Dense(size, activation="tanh", name=f"dense_{i}")(x)
            tensors.append(k.layers.Reshape(shape, name=f"branch_{i}")(dense))
        return k.Model(x, join(k.layers, tensors), name="model")

    return make


def squeeze_and_excite(k):
    """An image, times a number for each of its channels (of 16, for blocks of channels)."""
    layer = k.layers
    image = layer.Input((6, 5, 3), name="image")
    x = layer.Conv2D(16, 3, padding="same", activation="relu", name="first")(image)
    squeezed = layer.AveragePooling2D((6, 5), name="squeezed")(x)
    hidden = layer.Conv2D(4, 1, activation="relu", name="hidden")(squeezed)
    excited = layer.Conv2D(16, 1, activation="sigmoid", name="excited")(hidden)
    scaled = layer.Multiply(name="scaled")([x, excited])
    last = layer.Conv2D(16, 1, activation="relu", name="last")(scaled)
    return k.Model(image, layer.Flatten(name="flat")(last), name="squeeze_and_excite")


def unet(k, interpolation):
    """Down, up, beside what was there before; channels in blocks of 16."""
    layer = k.layers
    image = layer.Input((8, 6, 1), name="image")
    down = layer.Conv2D(16, 3, padding="same", activation="relu", name="down")(image)
    x = layer.MaxPooling2D(2, name="pooled")(down)
    x = layer.Conv2D(32, 1, activation="relu", name="bottom")(x)
    x = layer.UpSampling2D(2, interpolation=interpolation, name="up")(x)
    x = layer.Concatenate(name="beside")([down, x])
    x = layer.ZeroPadding2D(((1, 0), (2, 1)), name="padded")(x)
    x = layer.Cropping2D(((0, 1), (1, 2)), name="cropped")(x)
    x = layer.Conv2D(16, 1, activation="relu", name="last")(x)
    return k.Model(image, layer.Flatten(name="flat")(x), name="unet")


CASES = [
    one_layer("reshape", (4, 6), lambda l: l.Reshape((3, 4, 2))),
    one_layer("reshape_open", (4, 6), lambda l: l.Reshape((3, -1))),
    one_layer("permute", (3, 4), lambda l: l.Permute((2, 1))),
    one_layer("permute_image", (2, 3, 4), lambda l: l.Permute((3, 1, 2))),
    one_layer("permute_rows", (2, 3, 4), lambda l: l.Permute((2, 1, 3))),
    one_layer("permute_of_rank_4", (2, 3, 2, 3), lambda l: l.Permute((4, 2, 1, 3))),
    one_layer("repeat_vector", (5,), lambda l: l.RepeatVector(3)),
    one_layer("zero_padding_1d", (4, 3), lambda l: l.ZeroPadding1D((1, 2))),
    one_layer("zero_padding_1d_of_one_side", (4, 3), lambda l: l.ZeroPadding1D((0, 2))),
    one_layer("zero_padding_2d", (3, 4, 2), lambda l: l.ZeroPadding2D()),
    one_layer("zero_padding_2d_sides", (3, 4, 2), lambda l: l.ZeroPadding2D(((1, 2), (0, 3)))),
    one_layer("zero_padding_2d_sizes", (3, 4, 1), lambda l: l.ZeroPadding2D((2, 1))),
    one_layer("cropping_1d", (5, 3), lambda l: l.Cropping1D((1, 2))),
    one_layer("cropping_2d", (5, 6, 2), lambda l: l.Cropping2D(1)),
    one_layer("cropping_2d_sides", (5, 6, 2), lambda l: l.Cropping2D(((2, 1), (0, 3)))),
    one_layer("up_sampling_1d", (4, 3), lambda l: l.UpSampling1D(3)),
    one_layer("up_sampling_2d", (3, 4, 2), lambda l: l.UpSampling2D()),
    one_layer("up_sampling_2d_grey", (3, 4, 1), lambda l: l.UpSampling2D((1, 3))),
    one_layer("up_sampling_2d_bilinear", (3, 4, 2),
              lambda l: l.UpSampling2D((2, 3), interpolation="bilinear")),
    one_layer("up_sampling_2d_bilinear_of_a_row", (1, 5, 3),
              lambda l: l.UpSampling2D((4, 2), interpolation="bilinear")),
    # Twice and four times as large: TensorFlow rounds distances to 1/1024.
    one_layer("up_sampling_2d_bicubic", (3, 4, 2),
              lambda l: l.UpSampling2D((2, 4), interpolation="bicubic")),
    one_layer("up_sampling_2d_bicubic_of_a_row", (1, 5, 3),
              lambda l: l.UpSampling2D((4, 2), interpolation="bicubic")),
    # Without gradients, which TensorFlow has in float32 only.
    one_layer("up_sampling_2d_lanczos3", (3, 4, 2),
              lambda l: l.UpSampling2D((2, 3), interpolation="lanczos3"), random=True),
    one_layer("up_sampling_2d_lanczos5", (7, 2, 1),
              lambda l: l.UpSampling2D((3, 2), interpolation="lanczos5"), random=True),
    Case("concatenate", branches([(4,), (3,), (1,)], lambda l, x: l.Concatenate(name="join")(x))),
    Case("concatenate_first_axis",
         branches([(2, 3), (1, 3)], lambda l, x: l.Concatenate(axis=1, name="join")(x))),
    Case("concatenate_middle_axis",
         branches([(2, 3, 2), (2, 1, 2)], lambda l, x: l.Concatenate(axis=-2, name="join")(x))),
    Case("concatenate_with_itself",
         branches([(2, 3)], lambda l, x: l.Concatenate(name="join")([x[0], x[0]]))),
    Case("add_of_several_shapes",
         branches([(2, 1, 3), (4, 1), (3,), (2, 4, 3)], lambda l, x: l.Add(name="join")(x))),
    Case("multiply_by_channels",
         branches([(2, 3, 4), (1, 1, 4)], lambda l, x: l.Multiply(name="join")(x))),
    Case("maximum_of_several_shapes",
         branches([(2, 1), (1, 3)], lambda l, x: l.Maximum(name="join")(x))),
    Case("subtract_from_fewer",
         branches([(3,), (2, 3)], lambda l, x: l.Subtract(name="join")(x))),
    Case("dot_of_rows", branches([(5,), (5,)], lambda l, x: l.Dot(1, name="join")(x))),
    Case("dot_normalized",
         branches([(5,), (5,)], lambda l, x: l.Dot(-1, normalize=True, name="join")(x))),
    Case("dot_of_sequences",
         branches([(4, 3), (2, 3)], lambda l, x: l.Dot((2, 2), name="join")(x))),
    Case("dot_of_matrices", branches([(4, 3), (3, 2)], lambda l, x: l.Dot((2, 1), name="join")(x))),
    Case("dot_of_a_row", branches([(3,), (2, 3)], lambda l, x: l.Dot((1, 2), name="join")(x))),
    Case("dot_with_a_row", branches([(3, 2), (3,)], lambda l, x: l.Dot((1, -1), name="join")(x))),
    Case("dot_of_images_normalized",
         branches([(2, 3, 2), (3, 4)],
                  lambda l, x: l.Dot((2, 1), normalize=True, name="join")(x))),
    Case("squeeze_and_excite", squeeze_and_excite),
    Case("unet_nearest", lambda k: unet(k, "nearest")),
    Case("unet_bilinear", lambda k: unet(k, "bilinear")),
]
