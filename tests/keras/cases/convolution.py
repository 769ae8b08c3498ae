"""Convolutions: strides, paddings, dilation, groups, multipliers, even and odd sizes.

TensorFlow on CPUs has no transposed convolutions with dilation, and breaks its memory where strides
are above the kernel's size: forward_test.cc has them."""
from cases import one_layer

IMAGE = (7, 8, 4)
SMALL = (3, 4, 4)  # of what strides make large
SEQUENCE = (9, 4)


def case(name, layer, *arguments, shape=IMAGE, keras2=True, **options):
    return one_layer(name, shape, lambda l: getattr(l, layer)(*arguments, **options),
                     keras2=keras2)


def in_blocks(name, layer, *arguments, shape, **options):
    """Of whole blocks of channels, which are many numbers."""
    return one_layer(name + "_in_blocks", shape,
                     lambda l: getattr(l, layer)(*arguments, **options), features=2, batch=2)


CASES = [
    case("conv2d_even_kernel", "Conv2D", 3, (2, 4), padding="same", activation="sigmoid"),
    case("conv2d_strided_same", "Conv2D", 3, 3, strides=(2, 3), padding="same"),
    case("conv2d_strided_valid", "Conv2D", 3, (3, 2), strides=2, use_bias=False),
    case("conv2d_stride_above_kernel", "Conv2D", 3, 1, strides=2, padding="same"),
    case("conv2d_dilated_valid", "Conv2D", 3, (3, 2), dilation_rate=(2, 3), activation="tanh"),
    case("conv2d_dilated_same", "Conv2D", 3, (2, 3), dilation_rate=(3, 2), padding="same"),
    case("conv2d_groups", "Conv2D", 6, 3, groups=2, activation="relu"),
    case("conv2d_groups_strided_same", "Conv2D", 4, 3, strides=2, padding="same", groups=4),
    in_blocks("conv2d_groups", "Conv2D", 32, (1, 2), groups=2, padding="same", shape=(3, 4, 32)),
    case("depthwise_conv2d", "DepthwiseConv2D", 3, activation="relu"),
    case("depthwise_conv2d_same", "DepthwiseConv2D", (2, 3), strides=2, padding="same"),
    case("depthwise_conv2d_multiplier", "DepthwiseConv2D", (3, 2), depth_multiplier=3,
         padding="same", activation="tanh", shape=(4, 5, 4)),
    case("depthwise_conv2d_dilated", "DepthwiseConv2D", 3, dilation_rate=2, padding="same",
         use_bias=False),
    in_blocks("depthwise_conv2d", "DepthwiseConv2D", 3, padding="same", shape=(4, 5, 16)),
    case("separable_conv2d", "SeparableConv2D", 5, 3, activation="relu"),
    case("separable_conv2d_strided", "SeparableConv2D", 3, 3, strides=2, padding="same",
         depth_multiplier=2, activation="sigmoid"),
    case("separable_conv2d_dilated", "SeparableConv2D", 3, (2, 3), dilation_rate=2,
         use_bias=False),
    case("conv2d_transpose", "Conv2DTranspose", 3, 3, activation="relu"),
    case("conv2d_transpose_strided", "Conv2DTranspose", 3, (2, 4), strides=(2, 3), shape=SMALL),
    case("conv2d_transpose_same", "Conv2DTranspose", 3, 3, strides=2, padding="same",
         activation="tanh", shape=SMALL),
    case("conv2d_transpose_same_even", "Conv2DTranspose", 3, (4, 2), strides=(2, 3),
         padding="same", shape=SMALL),
    case("conv2d_transpose_more", "Conv2DTranspose", 3, 3, strides=(2, 3), output_padding=(1, 0),
         shape=SMALL),
    case("conv2d_transpose_more_same", "Conv2DTranspose", 3, (3, 4), strides=(2, 3),
         padding="same", output_padding=(0, 2), shape=SMALL),
    in_blocks("conv2d_transpose", "Conv2DTranspose", 32, 2, strides=2, shape=(2, 3, 16),
              activation="sigmoid"),
    case("conv1d", "Conv1D", 3, 3, shape=SEQUENCE, activation="relu"),
    case("conv1d_same", "Conv1D", 3, 4, strides=2, padding="same", shape=SEQUENCE),
    case("conv1d_causal", "Conv1D", 3, 2, padding="causal", shape=SEQUENCE, activation="tanh"),
    case("conv1d_causal_strided", "Conv1D", 3, 3, strides=2, padding="causal", shape=SEQUENCE),
    case("conv1d_causal_dilated", "Conv1D", 3, 3, padding="causal", dilation_rate=2,
         shape=SEQUENCE, use_bias=False),
    case("conv1d_groups", "Conv1D", 4, 3, groups=2, shape=SEQUENCE),
    case("depthwise_conv1d", "DepthwiseConv1D", 3, strides=2, padding="same", depth_multiplier=2,
         shape=SEQUENCE, activation="relu"),
    case("separable_conv1d", "SeparableConv1D", 3, 2, depth_multiplier=2, shape=SEQUENCE),
    case("separable_conv1d_same", "SeparableConv1D", 3, 3, padding="same", dilation_rate=2,
         shape=SEQUENCE, use_bias=False),
    case("conv1d_transpose", "Conv1DTranspose", 3, 3, strides=2, shape=SEQUENCE),
    case("conv1d_transpose_same", "Conv1DTranspose", 3, 3, strides=2, padding="same",
         output_padding=0, shape=SEQUENCE, activation="tanh"),
    one_layer("conv1d_softmax", SEQUENCE, lambda l: l.Conv1D(3, 2, activation="softmax"),
              loss="categorical_crossentropy"),
]
