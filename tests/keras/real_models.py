"""Models as papers and keras.applications have them, for compare_real.py and cases/real.py.

The small ones take Keras as their argument, so that Keras 2 can make them as well.
"""


def lenet(k, size=28, filters=6, units=84):
    """LeNet-5 (LeCun et al. 1998), with subsampling as average pooling."""
    return k.Sequential([
        k.layers.Input((size, size, 1)),
        k.layers.Conv2D(filters, 5, padding="same", activation="tanh"),
        k.layers.AveragePooling2D(2),
        k.layers.Conv2D(2 * filters + 4, 5, activation="tanh"),
        k.layers.AveragePooling2D(2),
        k.layers.Flatten(),
        k.layers.Dense(units + units // 2, activation="tanh"),
        k.layers.Dense(units, activation="tanh"),
        k.layers.Dense(10, activation="softmax"),
    ], name="lenet")


def normalized(k, x, activation="relu"):
    x = k.layers.BatchNormalization()(x)
    return k.layers.Activation(activation)(x) if activation else x


def resnet(k, size=32, filters=16, blocks=3, classes=10):
    """ResNet-20 (He et al. 2016, section 4.2), shortcuts of another shape by convolutions."""
    def convolution(x, filters, strides=1, kernel=3):
        return k.layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False,
                               kernel_initializer="he_normal")(x)

    x = inputs = k.layers.Input((size, size, 3))
    x = normalized(k, convolution(x, filters))
    for stage in range(3):
        for block in range(blocks):
            strides = 2 if stage > 0 and block == 0 else 1
            shortcut = x if strides == 1 else convolution(x, filters << stage, 2, kernel=1)
            y = normalized(k, convolution(x, filters << stage, strides))
            y = normalized(k, convolution(y, filters << stage), activation=None)
            x = k.layers.Activation("relu")(k.layers.Add()([shortcut, y]))
    x = k.layers.GlobalAveragePooling2D()(x)
    return k.Model(inputs, k.layers.Dense(classes, activation="softmax")(x), name="resnet20")


def unet(k, size=32, filters=8, depth=3):
    """U-Net (Ronneberger et al. 2015), going up by transposed convolutions and by UpSampling2D in
    turns. A probability for each pixel."""
    def twice(x, filters):
        for _ in range(2):
            x = k.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = normalized(k, x)
        return x

    x = inputs = k.layers.Input((size, size, 3))
    levels = []
    for level in range(depth):
        x = twice(x, filters << level)
        levels.append(x)
        x = k.layers.MaxPooling2D(2)(x)
    x = twice(x, filters << depth)
    for level in reversed(range(depth)):
        if level % 2 == 0:
            x = k.layers.Conv2DTranspose(filters << level, 2, strides=2)(x)
        else:
            x = k.layers.UpSampling2D(interpolation="bilinear")(x)
            x = k.layers.Conv2D(filters << level, 2, padding="same")(x)
        x = twice(k.layers.Concatenate()([levels[level], x]), filters << level)
    return k.Model(inputs, k.layers.Conv2D(1, 1, activation="sigmoid")(x), name="unet")


def mobilenet(k, size=16, filters=4, classes=4):
    """Inverted residuals (MobileNetV2, Sandler et al. 2018), with ReLU6."""
    def block(x, filters, strides):
        y = k.layers.Conv2D(4 * x.shape[-1], 1, use_bias=False)(x)
        y = k.layers.ReLU(max_value=6.0)(k.layers.BatchNormalization()(y))
        y = k.layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y)
        y = k.layers.ReLU(max_value=6.0)(k.layers.BatchNormalization()(y))
        y = normalized(k, k.layers.Conv2D(filters, 1, use_bias=False)(y), activation=None)
        return k.layers.Add()([x, y]) if y.shape[1:] == x.shape[1:] else y

    x = inputs = k.layers.Input((size, size, 3))
    x = k.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = k.layers.Conv2D(filters, 3, strides=2, use_bias=False)(x)
    x = k.layers.ReLU(max_value=6.0)(k.layers.BatchNormalization()(x))
    for strides, times in ((1, 1), (2, 2), (1, 1)):
        filters += 2 * strides
        x = block(x, filters, strides)
        for _ in range(times - 1):
            x = block(x, filters, 1)
    x = k.layers.GlobalAveragePooling2D()(x)
    return k.Model(inputs, k.layers.Dense(classes, activation="softmax")(x), name="mobilenet")


def densenet(k, size=16, growth=4, blocks=(3, 3), classes=4):
    """DenseNet (Huang et al. 2017) with bottlenecks."""
    def layer(x):
        y = k.layers.Conv2D(4 * growth, 1, use_bias=False)(normalized(k, x))
        y = k.layers.Conv2D(growth, 3, padding="same", use_bias=False)(normalized(k, y))
        return k.layers.Concatenate()([x, y])

    x = inputs = k.layers.Input((size, size, 3))
    x = k.layers.Conv2D(2 * growth, 3, padding="same", use_bias=False)(x)
    for i, layers in enumerate(blocks):
        if i > 0:
            x = k.layers.Conv2D(x.shape[-1] // 2, 1, use_bias=False)(normalized(k, x))
            x = k.layers.AveragePooling2D(2)(x)
        for _ in range(layers):
            x = layer(x)
    x = k.layers.GlobalAveragePooling2D()(normalized(k, x))
    return k.Model(inputs, k.layers.Dense(classes, activation="softmax")(x), name="densenet")


def application(name, size, **options):
    def make(k):
        return getattr(k.applications, name)(weights=None, input_shape=(size, size, 3), classes=4,
                                             **options)
    return make


def vgg16(k):
    """Without its two layers of 4096 units, which have 18.9 of its 33.6 million weights."""
    base = k.applications.VGG16(weights=None, input_shape=(32, 32, 3), include_top=False)
    x = k.layers.Flatten()(base.output)
    return k.Model(base.input, k.layers.Dense(4, activation="softmax")(x), name="vgg16")


MODELS = {
    "lenet": lenet,
    "resnet20": resnet,
    "unet": unet,
    "mobilenet_v2": application("MobileNetV2", 64, alpha=0.35),
    "densenet121": application("DenseNet121", 32),
    "vgg16": vgg16,
    "resnet50": application("ResNet50", 32),
}
