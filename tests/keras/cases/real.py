"""Small ones of the models that people use."""
import real_models

from cases import Case


def case(name, make, loss="categorical_crossentropy", **sizes):
    return Case(name, lambda k: make(k, **sizes), loss=loss, real=True, keras2=False)


CASES = [
    case("lenet", real_models.lenet, size=12, filters=2, units=8),
    case("resnet20", real_models.resnet, size=8, filters=2, classes=4),
    case("unet", real_models.unet, loss="binary_crossentropy", size=8, filters=2, depth=2),
    case("mobilenet", real_models.mobilenet, size=8),
    case("densenet", real_models.densenet, size=8, growth=2, blocks=(2, 2)),
]
