"""The same numbers as tensors of PyTorch."""

import torch

import generate


def uniform(shape, seed, scale=1.0):
    return torch.from_numpy(generate.uniform(shape, seed, scale))


def integers(count, seed, end):
    return torch.from_numpy(generate.integers(count, seed, end))
