"""Nets of dense layers with relu between them; see workers/nets.ts."""

import math
import resource

import torch

from tensors import integers, uniform
from job import Job
from layers import COMPARED_STEPS, training

LEARNING_RATES = {"sgd": 0.01, "adam": 0.001}


def _net(sizes):
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layer = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.copy_(uniform((outputs, inputs), 100 + i, math.sqrt(6 / inputs)))
            layer.bias.copy_(uniform((outputs,), 200 + i, 0.1))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def forward(spec):
    net = _net(spec["sizes"]).eval()
    x = uniform((spec["batch"], spec["sizes"][0]), 1)

    def body():
        with torch.inference_mode():
            return net(x)

    return Job(body, answer=lambda: body().numpy().ravel())


def _step(spec, compiled=False):
    sizes, batch = spec["sizes"], spec["batch"]
    net = _net(sizes)
    parameters = list(net.parameters())
    if compiled:
        net = torch.compile(net, dynamic=False)
    x = uniform((batch, sizes[0]), 1)
    rate = LEARNING_RATES[spec["optimizer"]]
    if spec["loss"] == "softmax":
        y, criterion, share = integers(batch, 2, sizes[-1]), torch.nn.CrossEntropyLoss(), 1.0
    else:
        # Its mean of squares isn't halved, as the library's is: half the rate makes the same step.
        y, criterion, share = uniform((batch, sizes[-1]), 3), torch.nn.MSELoss(), 0.5
        rate *= share if spec["optimizer"] == "sgd" else 1
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[spec["optimizer"]]
    optimizer = make(parameters, lr=rate, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, share


def train(spec, compiled):
    step, share = _step(spec, compiled)
    return Job(step, answer=lambda: [step().item() * share for _ in range(COMPARED_STEPS)])


def _resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def memory(spec):
    """Answers the process's memory at its most and at the end, after what it doesn't know of itself."""
    step = training(spec["layers"]) if "layers" in spec else _step(spec)[0]

    def answer():
        return [0, 0, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, _resident()]

    return Job(step, answer=answer)
