"""Convolutional nets for pictures that are trained, as workers/latent-pictures.ts has them."""

import numpy as np
import torch
from torch import nn

from generate import model_input
from job import Job
from layers import COMPARED_STEPS
from tensors import integers

CLASSES = 1000


def _conv(inputs, outputs, kernel, stride, activation, groups=1):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return layers + ([] if activation is None else [activation(inplace=True)])


class _Shortcut(nn.Module):
    def __init__(self, body, projection, ends):
        super().__init__()
        self.body, self.projection, self.ends = body, projection, ends

    def forward(self, x):
        y = self.body(x) + (x if self.projection is None else self.projection(x))
        return torch.relu_(y) if self.ends else y


def _inverted(inputs, outputs, expansion, stride):
    hidden = inputs * expansion
    body = nn.Sequential(
        *(_conv(inputs, hidden, 1, 1, nn.ReLU6) if expansion > 1 else []),
        *_conv(hidden, hidden, 3, stride, nn.ReLU6, hidden),
        *_conv(hidden, outputs, 1, 1, None),
    )
    return _Shortcut(body, None, False) if stride == 1 and inputs == outputs else body


def _residual(inputs, outputs, stride):
    body = nn.Sequential(*_conv(inputs, outputs, 3, stride, nn.ReLU), *_conv(outputs, outputs, 3, 1, None))
    same = stride == 1 and inputs == outputs
    return _Shortcut(body, None if same else nn.Sequential(*_conv(inputs, outputs, 1, stride, None)), True)


def _head(inputs):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)]


def _mobile():
    blocks, inputs = [], 32
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, outputs, count, stride in stages:
        for i in range(count):
            blocks.append(_inverted(inputs, outputs, expansion, stride if i == 0 else 1))
            inputs = outputs
    return nn.Sequential(*_conv(3, 32, 3, 2, nn.ReLU6), *blocks, *_conv(320, 1280, 1, 1, nn.ReLU6), *_head(1280))


def _res18():
    blocks, inputs = [], 64
    for stage in range(4):
        for i in range(2):
            blocks.append(_residual(inputs, 64 * 2**stage, 2 if i == 0 and stage > 0 else 1))
            inputs = 64 * 2**stage
    return nn.Sequential(*_conv(3, 64, 7, 2, nn.ReLU), nn.MaxPool2d(3, 2, 1), *blocks, *_head(512))


NETS = {"MobileNetV2": _mobile, "ResNet-18": _res18}


def fine_tuning(spec, compiled):
    """Steps on one batch, from the parameters that ours has written."""
    net = NETS[spec["net"]]()
    values = torch.from_numpy(np.fromfile(spec["parameters"], np.float32))
    with torch.no_grad():
        for one in net.parameters():
            one.copy_(values[: one.numel()].reshape(one.shape))
            values = values[one.numel() :]
    if values.numel() > 0:
        raise ValueError(f"{values.numel()} values are left of {spec['parameters']}")
    parameters = list(net.parameters())
    net.train()
    if compiled:
        net = torch.compile(net, dynamic=False)
    x, y = torch.from_numpy(model_input(spec)), integers(spec["input"][0], 2, CLASSES)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(parameters, lr=spec["rate"], momentum=spec["momentum"], fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Job(step, answer=lambda: [step().item() for _ in range(COMPARED_STEPS)])
