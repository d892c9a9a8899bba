"""Layers on top of each other; see workers/layers.ts."""

import math

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

    def __init__(self, inner, repeat=1, **options):
        super().__init__()
        self.inner = inner
        self.repeat = repeat
        self.options = options

    def forward(self, x):
        return self.inner(*([x] * self.repeat), **self.options)[0]


class Labelled(nn.Module):
    """The loss of one row each, on classes that stay the same."""

    def __init__(self, shape):
        super().__init__()
        self.labels = integers(shape[0], 3, shape[1])

    def forward(self, x):
        return nn.functional.cross_entropy(x, self.labels, reduction="none")


def _module(layer, shape):
    kind = layer["is"]
    padding, stride, bias = layer.get("padding", 0), layer.get("stride", 1), layer.get("bias", True)
    if kind == "conv":
        return (nn.Conv1d if len(shape) == 3 else nn.Conv2d)(
            shape[1], layer["channels"], layer["kernel"], stride, padding, layer.get("dilation", 1),
            layer.get("groups", 1), bias,
        )
    if kind == "convTranspose":
        return (nn.ConvTranspose1d if len(shape) == 3 else nn.ConvTranspose2d)(
            shape[1], layer["channels"], layer["kernel"], stride, padding, bias=bias
        )
    if kind == "dense":
        return nn.Linear(shape[-1], layer["units"], bias)
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
            shape[-1], layer["size"], layer.get("layers", 1), bidirectional=layer.get("bidirectional", False)
        ))
    if kind == "attention":
        inner = nn.MultiheadAttention(shape[-1], layer["heads"], batch_first=True)
        mask = nn.Transformer.generate_square_subsequent_mask(shape[1]) if layer.get("causal") else None
        return First(inner, repeat=3, need_weights=False, attn_mask=mask, is_causal=mask is not None)
    if kind == "encoder":
        return nn.TransformerEncoderLayer(
            shape[-1], layer["heads"], layer["hidden"], dropout=0.0, batch_first=True
        )
    if kind == "embedding":
        return nn.Embedding(layer["rows"], layer["units"])
    if kind == "crossEntropy":
        return Labelled(shape)
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


def _input(spec):
    shape, first = tuple(spec["input"]), spec["layers"][0]
    if first["is"] == "embedding":
        return integers(math.prod(shape), 1, first["rows"]).reshape(shape)
    return uniform(shape, 1)


def _net(spec):
    modules, readers = [], []
    x = _input(spec)
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
    x = _input(spec)
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
    x = _input(spec)
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
    floats = x.is_floating_point()
    x.requires_grad_(floats)
    if kind == "forward":
        return Job(lambda: net(x), answer=lambda: net(x).detach().numpy().ravel())
    head = uniform(tuple(spec["output"]), 2)
    wanted = [*([x] if floats else []), *net.parameters()]
    y = net(x)

    def backward():
        if kind == "both":
            return torch.autograd.grad(net(x), wanted, head)
        return torch.autograd.grad(y, wanted, head, retain_graph=True)

    def answer():
        found = dict(zip(map(id, wanted), backward()))
        parts = [found[id(x)]] if floats else []
        parts += [found[id(parameter)][rows] for parameter, rows in readers]
        return _alike([part.numpy() for part in parts])

    return Job(backward, answer=answer)
