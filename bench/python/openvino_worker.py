"""OpenVINO as a contender. The argument is the number of threads."""

import sys

import openvino

from generate import model_input
from job import Job
from serve import serve


def predict(spec, threads):
    core = openvino.Core()
    model = core.read_model(spec["model"])
    model.reshape(spec["input"])
    # As exact as the others, and for one call at a time.
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    # A copy, which the request keeps as long as it lives.
    request.set_input_tensor(openvino.Tensor(model_input(spec)))

    def answer():
        request.infer()
        return request.get_output_tensor().data.ravel()

    return Job(request.infer, answer)


def main():
    threads = int(sys.argv[1])
    serve(openvino.__version__, lambda spec: {"model": predict}[spec["kind"]](spec, threads))


main()
