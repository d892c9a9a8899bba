"""Layers on top of each other; see workers/layers.ts."""

import numpy as np
import torch
from torch import nn

from tensors import integers, uniform
from job import Job

RATE = 0.01
COMPARED_STEPS = 4
NAMES = {"gamma": "weight", "beta": "bias"}


class First(nn.Module):
    """The first of several results."""

    def __init__(self, inner, *args, **options):
        super().__init__()
        self.inner = inner
        self.repeat = options.pop("repeat", 1)
        self.options = options

    def forward(self, x):
        return self.inner(*([x] * self.repeat), **self.options)[0]


def _module(layer, shape):
    kind = layer["is"]
    padding, stride = layer.get("padding", 0), layer.get("stride", 1)
    if kind == "conv":
        return nn.Conv2d(
            shape[1], layer["channels"], layer["kernel"], stride, padding, groups=layer.get("groups", 1)
        )
    if kind == "dense":
        return nn.Linear(shape[1], layer["units"])
    if kind == "flatten":
        return nn.Flatten()
    if kind == "maxPool":
        return nn.MaxPool2d(layer["size"], stride, padding)
    if kind == "avgPool":
        return nn.AvgPool2d(layer["size"], stride, padding)
    if kind == "batchNorm":
        return nn.BatchNorm2d(shape[1])
    if kind == "layerNorm":
        return nn.LayerNorm(shape[-1])
    if kind == "instanceNorm":
        return nn.InstanceNorm2d(shape[1], affine=True)
    if kind == "groupNorm":
        return nn.GroupNorm(layer["groups"], shape[1])
    if kind in ("lstm", "gru"):
        return First({"lstm": nn.LSTM, "gru": nn.GRU}[kind](
            shape[-1], layer["size"], bidirectional=layer.get("bidirectional", False)
        ))
    if kind == "attention":
        inner = nn.MultiheadAttention(shape[-1], layer["heads"], batch_first=True)
        return First(inner, repeat=3, need_weights=False)
    if kind == "encoder":
        return nn.TransformerEncoderLayer(
            shape[-1], layer["heads"], layer["hidden"], dropout=0.0, batch_first=True
        )
    raise ValueError(f"there is no layer '{kind}'")


def _values(form):
    return uniform(tuple(form["shape"]), form["seed"], form["scale"]) + np.float32(form["offset"])


def _fill(module, layer):
    """Sets a layer's parameters; answers how to read the gradients that are compared, in order."""
    own = dict(module.named_parameters())
    readers = []
    for form in layer["parameters"]:
        target, part = _target(layer["is"], form["path"])
        parameter = own[target]
        rows = slice(None)
        if part is not None:
            size = parameter.shape[0] // 3
            rows = slice(part * size, (part + 1) * size)
        with torch.no_grad():
            parameter[rows].copy_(_values(form))
        if not form["cancels"]:
            readers.append((parameter, rows))
    return readers


def _target(kind, path):
    """A parameter's name here, and which third of it is meant where several lie in one."""
    if kind in ("lstm", "gru"):
        return f"inner.{path}", None
    if kind in ("attention", "encoder"):
        prefix = "inner." if kind == "attention" else "self_attn."
        rest = path.removeprefix("attention.")
        *names, last = rest.split(".")
        part = names[0] if kind == "attention" or path.startswith("attention.") else None
        if part in ("query", "key", "value"):
            return f"{prefix}in_proj_{last}", ("query", "key", "value").index(part)
        if part == "out":
            return f"{prefix}out_proj.{last}", None
        name = {"attentionNorm": "norm1", "outNorm": "norm2", "hidden": "linear1", "out": "linear2"}[names[0]]
        return f"{name}.{NAMES.get(last, last)}", None
    return NAMES.get(path, path), None


def _net(spec):
    modules, readers = [], []
    x = torch.zeros(spec["input"])
    for layer in spec["layers"]:
        module = _module(layer, x.shape)
        readers += _fill(module, layer)
        with torch.no_grad():
            x = module.eval()(x)
        modules.append(module)
        if layer.get("relu"):
            modules.append(nn.ReLU())
    return nn.Sequential(*modules), readers


def _alike(lists):
    parts = [np.asarray(values, dtype=np.float64).ravel() for values in lists]
    return np.concatenate([part / max(1e-30, np.abs(part).max()) for part in parts])


def training(spec):
    """One step of training on the same batch again and again."""
    net, _ = _net(spec)
    net.train()
    x = uniform(tuple(spec["input"]), 1)
    if len(spec["output"]) == 2:
        y, criterion, share = integers(spec["output"][0], 2, spec["output"][1]), nn.CrossEntropyLoss(), 1.0
    else:
        y, criterion, share = uniform(tuple(spec["output"]), 2), nn.MSELoss(), 0.5
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = share * criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def layers(spec):
    net, readers = _net(spec)
    x = uniform(tuple(spec["input"]), 1)
    kind = spec["pass"]
    if kind == "predict":
        net.eval()

        def predict():
            with torch.inference_mode():
                return net(x)

        return Job(predict, answer=lambda: predict().numpy().ravel())
    net.train()
    if kind == "train":
        step = training(spec)
        return Job(step, answer=lambda: [step().item() for _ in range(COMPARED_STEPS)])
    x.requires_grad_()
    if kind == "forward":
        return Job(lambda: net(x), answer=lambda: net(x).detach().numpy().ravel())
    y = net(x)
    head = uniform(tuple(spec["output"]), 2)
    wanted = [x, *net.parameters()]

    def backward():
        return torch.autograd.grad(y, wanted, head, retain_graph=True)

    def answer():
        found = dict(zip(map(id, wanted), backward()))
        parts = [found[id(x)]] + [found[id(parameter)][rows] for parameter, rows in readers]
        return _alike([part.numpy() for part in parts])

    return Job(backward, answer=answer)
