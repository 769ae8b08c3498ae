#!/usr/bin/env python3
"""What PyTorch writes as ONNX: small models with random weights, inputs and outputs.

    python3 make_onnx.py FOLDER [OPSET ...]

Writes FOLDER/NAME-OPSET.onnx and beside each NAME-OPSET.bin, little-endian float32: the inputs one
after another, then the outputs. Needs torch (1.13, Debian's python3-torch); tests/formats/golden
holds what this wrote for opsets 9, 13 and 17.
"""
import pathlib
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

warnings.simplefilter("ignore")


class Residual(nn.Module):
    """A block of ResNet, with and without a projection."""
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                       nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.short(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4),
                                  nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.blocks = nn.Sequential(Residual(4, 4, 1), Residual(4, 6, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                      nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(6 * 4 * 3, 7), nn.ReLU(),
                                        nn.Dropout(), nn.Linear(7, 5), nn.Softmax(1))

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


class UNet(nn.Module):
    def __init__(self, bilinear):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.inner = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ELU())
        if bilinear:
            self.up = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"),
                                    nn.Conv2d(6, 4, 1))
        else:
            self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.end = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down(x)
        b = self.up(self.inner(F.max_pool2d(a, 2)))
        return torch.sigmoid(self.end(torch.cat([a, b], 1)))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4),
                                  nn.ReLU6())
        self.block = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
                                   nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False),
                                   nn.BatchNorm2d(8), nn.Hardswish(),
                                   nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.ReLU(),
                                     nn.Conv2d(2, 4, 1), nn.Hardsigmoid())
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.block(x)
        x = x * self.squeeze(x)
        return self.fc(x.mean([2, 3]))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        def layer(inputs):
            return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(),
                                 nn.Conv2d(inputs, 3, 3, padding=1, bias=False))
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.a, self.b = layer(4), layer(7)
        self.transition = nn.Sequential(nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 5, 1),
                                        nn.AvgPool2d(2))
        self.fc = nn.Linear(5 * 8 * 6, 4)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.a(x)], 1)
        x = torch.cat([x, self.b(x)], 1)
        return F.log_softmax(self.fc(torch.flatten(self.transition(x), 1)), 1)


class Mixed(nn.Module):
    """What the others have not: other activations, groups, normalizations, borders, cuts."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2)
        self.group = nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.prelu = nn.PReLU(8)
        self.leaky = nn.LeakyReLU(0.1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, 0, 0, 1))
        x = self.prelu(self.group(self.conv(x)))
        x = self.pool(self.instance(x) - 1)
        x = self.leaky(self.up(x))
        x = F.gelu(x) + F.silu(x) * torch.tanh(x)
        a, b = x[:, :2], x[:, 2:, :, :]
        x = self.fc(self.norm(torch.cat([a * 0.5, b + 0.25], 1)))
        return x.permute(0, 2, 3, 1).reshape(x.size(0), -1, 4)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.conv = nn.Conv1d(6, 8, 3, padding=1)
        self.bn = nn.BatchNorm1d(8)
        self.fc = nn.Linear(8 * 3, 4)

    def forward(self, x):
        x = self.table(x).transpose(1, 2)
        x = F.avg_pool1d(F.softplus(self.bn(self.conv(x))), 2)
        return self.fc(x.flatten(1)), x


MODELS = {
    "resnet": (ResNet, [(3, 24, 20)]),
    "vgg": (Vgg, [(3, 16, 12)]),
    "unet": (lambda: UNet(False), [(3, 8, 6)]),
    "unet_bilinear": (lambda: UNet(True), [(3, 8, 6)]),
    "mobilenet": (MobileNet, [(3, 16, 12)]),
    "densenet": (DenseNet, [(3, 16, 12)]),
    "mixed": (Mixed, [(3, 8, 6)]),
    "sequence": (Sequence, [(6,)]),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for opset in map(int, sys.argv[2:] or ("9", "13", "17")):
        for name, (make, shapes) in MODELS.items():
            if name == "unet_bilinear" and opset == 9:
                continue  # what it writes there, it computes otherwise itself
            torch.manual_seed(1)
            model = make()
            for module in model.modules():
                if hasattr(module, "running_var") and module.running_var is not None:
                    module.running_mean.uniform_(-0.5, 0.5)
                    module.running_var.uniform_(0.5, 1.5)
            model.eval()
            x = [torch.randn(2, *shape) for shape in shapes]
            if name == "sequence":
                x = [torch.randint(0, 11, (2, 6))]
            with torch.no_grad():
                y = model(*x)
            y = y if isinstance(y, tuple) else (y,)
            path = folder / f"{name}-{opset}.onnx"
            # At opset 9 as it is by default, with the batch fixed; else any.
            axes = {"x": {0: "n"}, "y": {0: "n"}} if opset != 9 else None
            try:
                torch.onnx.export(model, tuple(x), str(path), opset_version=opset,
                                  input_names=["x"], dynamic_axes=axes)
            except Exception as e:
                print(f"{path.name}: {str(e).splitlines()[0]}")
                path.unlink(missing_ok=True)
                continue
            arrays = [np.ravel(t.numpy()).astype("<f4") for t in (*x, *y)]
            path.with_suffix(".bin").write_bytes(np.concatenate(arrays).tobytes())


if __name__ == "__main__":
    main()
