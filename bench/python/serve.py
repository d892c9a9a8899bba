"""The protocol of contenders/protocol.ts, from a contender's side."""

import json
import os
import sys

import numpy as np

SAMPLED = 1024


def digest(result):
    values = np.asarray(result, dtype=np.float64)
    step = 1 if values.size <= SAMPLED else values.size // SAMPLED | 1
    return {
        "size": int(values.size),
        "values": values[::step][:SAMPLED].tolist(),
        "sum": float(values.sum()),
        "squares": float((values * values).sum()),
    }


def serve(version, prepare):
    """Answers requests until standard input ends. `prepare` makes the job of a case."""
    replies = os.fdopen(3, "w")
    job = None
    for line in sys.stdin:
        request = json.loads(line)
        ask = request["ask"]
        try:
            if ask == "hello":
                ok = {"version": version}
            elif ask == "prepare":
                job = None
                job = prepare(request["spec"])
                ok = {"unsupported": None}
            elif ask == "answer":
                ok = digest(job.answer())
            else:
                ok = {"seconds": job.time(request["iterations"], request["warmup"])}
            reply = {"ok": ok}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
