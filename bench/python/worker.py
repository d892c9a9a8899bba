"""PyTorch as a contender; the protocol is that of contenders/protocol.ts.

The first argument is the number of threads; with `compiled` as the second, models and training steps go through its compiler.
"""

import ctypes
import os
import re
import sys

import torch

from elementwise import elementwise
from layers import layers
from nets import forward, memory, train
from serve import serve

compiled = sys.argv[2:] == ["compiled"]


def model(spec):
    # It needs more packages than the others do.
    import models

    return models.model(spec, compiled)


def fine_tuning(spec):
    import pictures

    return pictures.fine_tuning(spec, compiled)


JOBS = {
    "forward": forward,
    "train": lambda spec: train(spec, compiled),
    "memory": memory,
    "elementwise": elementwise,
    "layers": layers,
    "model": model,
    "fineTuning": fine_tuning,
}


def core(path):
    """The core that an OpenBLAS has chosen its kernels for."""
    try:
        name = ctypes.CDLL(path).openblas_get_corename
    except (OSError, AttributeError):
        return ""
    name.restype = ctypes.c_char_p
    return f" for {name().decode()}"


def blas():
    """The library that matrix products really come from."""
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if re.search(r"/lib(openblas|blis|mkl|blas)", line)}
    known = sorted(path for path in paths if not os.path.basename(path).startswith("libblas")) or sorted(paths)
    return ", ".join(os.path.basename(path) + core(path) for path in known) or "its own products"


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    serve(f"{torch.__version__} on {blas()}{', compiled' if compiled else ''}", lambda spec: JOBS[spec["kind"]](spec))


main()
