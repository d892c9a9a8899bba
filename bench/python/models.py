"""Models in ONNX files, node by node as modules of PyTorch, which it can compile; see workers/models.ts."""

import numpy as np
import torch
from torch.nn import functional

from generate import model_input
from job import Job

DTYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}


def _padded(x, pads, value=0.0):
    """What is padded, and what is left to pad at both ends of each axis."""
    axes = x.dim() - 2
    begins, ends = (pads or [0] * (2 * axes))[:axes], (pads or [0] * (2 * axes))[axes:]
    if begins == ends:
        return x, begins
    both = [size for pair in reversed(list(zip(begins, ends))) for size in pair]
    return functional.pad(x, both, value=value), [0] * axes


def _conv(x, weight, bias=None, *, kernel_shape=None, strides=None, pads=None, dilations=None, group=1):
    x, rest = _padded(x, pads)
    run = (functional.conv1d, functional.conv2d)[len(rest) - 1]
    return run(x, weight, bias, strides or 1, rest, dilations or 1, group)


def _gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    if alpha != 1 or beta != 1 or transA:
        raise ValueError("a Gemm with factors")
    return functional.linear(a, b if transB else b.T, c)


def _norm(x, scale, bias=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    return functional.layer_norm(x, x.shape[axis:], scale, bias, epsilon)


def _batch_norm(x, scale, bias, mean, variance, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


def _instance(x, scale, bias, *, epsilon=1e-5):
    return functional.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def _max_pool(x, *, kernel_shape, strides=None, pads=None, dilations=None, ceil_mode=0, storage_order=0):
    x, rest = _padded(x, pads, -float("inf"))
    return functional.max_pool2d(x, kernel_shape, strides, rest, ceil_mode=bool(ceil_mode))


def _reshape(x, shape, *, allowzero=0):
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(shape)])


def _slice(x, starts, ends, axes=None, steps=None):
    where = [slice(None)] * x.dim()
    for i, axis in enumerate(range(len(starts)) if axes is None else axes):
        where[axis] = slice(starts[i], ends[i], 1 if steps is None else steps[i])
    return x[tuple(where)]


def _gather(x, at, *, axis=0):
    return functional.embedding(at, x) if axis == 0 and x.dim() == 2 else x.select(axis, int(at))


def _unsqueeze(x, axes):
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x


def _mean(x, axes=None, *, keepdims=1, noop_with_empty_axes=0, **given):
    return x.mean(tuple(given.get("axes", axes)), keepdim=bool(keepdims))


def _gelu(x, *, approximate="none"):
    return functional.gelu(x, approximate=approximate)


RUN = {
    "Add": torch.add,
    "BatchNormalization": _batch_norm,
    "Cast": lambda x, *, to, saturate=1: x.to(DTYPES[to]),
    "Clip": lambda x, low=None, high=None: torch.clamp(x, low, high),
    "Concat": lambda *xs, axis: torch.cat(xs, axis),
    "Conv": _conv,
    "Div": torch.div,
    "Erf": torch.erf,
    "Expand": lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, shape)),
    "Flatten": lambda x, *, axis=1: x.flatten(axis),
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.dim())), keepdim=True),
    "Identity": lambda x: x,
    "InstanceNormalization": _instance,
    "LayerNormalization": _norm,
    "MatMul": torch.matmul,
    "MaxPool": _max_pool,
    "Mul": torch.mul,
    "ReduceMean": _mean,
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Shape": lambda x, *, start=0, end=None: torch.tensor(x.shape[start:end]),
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": lambda x, *, axis=-1: torch.softmax(x, axis),
    "Sqrt": torch.sqrt,
    "Squeeze": lambda x, axes: x.squeeze(tuple(axes)),
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, *, perm: x.permute(perm),
    "Unsqueeze": _unsqueeze,
}


# Inputs that are numbers to PyTorch, by an operator's name.
NUMBERS = {
    "Clip": [1, 2],
    "Expand": [1],
    "ReduceMean": [1],
    "Reshape": [1],
    "Slice": [1, 2, 3, 4],
    "Squeeze": [1],
    "Unsqueeze": [1],
}


class Model(torch.nn.Module):
    """The graph of a file for inputs of one shape: what follows from shapes alone is computed here, once."""

    def __init__(self, path, x):
        import onnx
        from onnx import helper, numpy_helper

        super().__init__()
        graph = onnx.load(path).graph
        tensor = lambda one: torch.from_numpy(np.array(numpy_helper.to_array(one)))
        constants = {one.name: tensor(one) for one in graph.initializer}
        values = {**constants, graph.input[0].name: x}
        steps = []
        for node in graph.node:
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
            output = node.output[0]
            if node.op_type == "Constant":
                constants[output] = values[output] = tensor(attributes["value"])
                continue
            numbers = NUMBERS.get(node.op_type, [])
            given = [
                (None if not name else constants[name].tolist()) if i in numbers else name
                for i, name in enumerate(node.input)
            ]
            step = (RUN[node.op_type], given, output, attributes)
            values[output] = self._run(step, values)
            if node.op_type == "Shape" or all(name in constants for name in node.input if name):
                constants[output] = values[output]
            else:
                steps.append(step)
        used = {name for _, given, _, _ in steps for name in given if isinstance(name, str)}
        self.names = sorted(used & constants.keys())
        self.constants = torch.nn.ParameterList(
            [torch.nn.Parameter(constants[name], requires_grad=False) for name in self.names]
        )
        self.steps, self.input, self.output = steps, graph.input[0].name, graph.output[0].name

    @staticmethod
    def _run(step, values):
        run, given, _, attributes = step
        inputs = [values[one] if isinstance(one, str) and one else None if one == "" else one for one in given]
        return run(*inputs, **attributes)

    def forward(self, x):
        values = dict(zip(self.names, self.constants))
        values[self.input] = x
        for step in self.steps:
            values[step[2]] = self._run(step, values)
        return values[self.output]


def model(spec, compiled):
    x = torch.from_numpy(model_input(spec))
    with torch.no_grad():
        net = Model(spec["model"], x).eval()
    run, mode = net, torch.inference_mode
    if compiled:
        import torch._inductor.config as inductor

        # Weights are packed once, as by a runtime, which no inference mode allows.
        inductor.freezing = True
        run, mode = torch.compile(net, dynamic=False), torch.no_grad

    def body():
        with mode():
            return run(x)

    return Job(body, answer=lambda: body().numpy().ravel())
