"""OpenVINO as a contender. The argument is the number of threads."""

import sys

import openvino

from generate import uniform
from job import Job
from serve import serve


def pictures(spec, threads):
    core = openvino.Core()
    shape = [spec["batch"], 3, 224, 224]
    model = core.read_model(spec["model"])
    model.reshape(shape)
    # As exact as the others, and for one call at a time.
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    # A copy, which the request keeps as long as it lives.
    request.set_input_tensor(openvino.Tensor(uniform(shape, 1)))

    def answer():
        request.infer()
        return request.get_output_tensor().data.ravel()

    return Job(request.infer, answer)


def main():
    threads = int(sys.argv[1])
    serve(openvino.__version__, lambda spec: {"pictures": pictures}[spec["kind"]](spec, threads))


main()
