"""Operations on elements, broadcasts and reductions; see workers/latent-elementwise.ts."""

import torch

from tensors import uniform
from job import Job

ADDED = 2


def elementwise(spec):
    op, shape, axis = spec["op"], tuple(spec["shape"]), spec.get("axis")
    x = uniform(shape, 1)
    y = uniform(tuple(spec.get("other", shape)), 2) if op == "add" else None
    body = {
        "add": lambda: x + y,
        "add number": lambda: x + ADDED,
        "relu": lambda: torch.relu(x),
        "exp": lambda: torch.exp(x),
        "gelu": lambda: torch.nn.functional.gelu(x),
        "softmax": lambda: torch.softmax(x, -1),
        "sum": (lambda: torch.sum(x)) if axis is None else (lambda: torch.sum(x, axis)),
        "mean": (lambda: torch.mean(x)) if axis is None else (lambda: torch.mean(x, axis)),
    }[op]

    def calls(iterations):
        with torch.inference_mode():
            for _ in range(iterations):
                body()

    return Job(body, answer=lambda: body().numpy().ravel(), calls=calls)
