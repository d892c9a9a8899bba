"""Holds every .onnx file of a folder against the format's own checker, with shapes inferred throughout."""

import pathlib
import sys

import onnx

paths = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
wrong = 0
for path in paths:
    try:
        onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    except Exception as error:  # whatever the checker raises is what is wrong with the model
        wrong += 1
        print(f"{path.name}: {error}")
print(f"{len(paths)} models, {wrong} of them wrong")
sys.exit(0 if paths and wrong == 0 else 1)
