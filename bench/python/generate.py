"""Numbers that every contender can make for itself; the same rule as workers/generate.ts."""

import math

import numpy as np


def _hash(seed, count):
    with np.errstate(over="ignore"):
        i = np.arange(1, count + 1, dtype=np.uint32)
        x = i * np.uint32(0x9E3779B1) ^ np.uint32((seed + 1) * 0x7FEB352D & 0xFFFFFFFF)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return x ^ (x >> np.uint32(16))


def uniform(shape, seed, scale=1.0):
    """float32 in [-scale, scale)."""
    values = (_hash(seed, math.prod(shape)) >> np.uint32(8)).astype(np.float64) / 2**23 - 1
    return (values * scale).astype(np.float32).reshape(shape)


def integers(count, seed, end):
    """int64 in [0, end)."""
    return (_hash(seed, count) >> np.uint32(8)).astype(np.int64) % end


def model_input(spec):
    """The input of a model; see workers/models.ts."""
    shape = spec["input"]
    if "below" in spec:
        return integers(math.prod(shape), 1, spec["below"]).astype(np.int32).reshape(shape)
    return uniform(shape, 1)
