"""What a contender does with one case."""

import time


class Job:
    """`calls(n)` does the body n times; by default in a plain loop."""

    def __init__(self, body, answer, calls=None):
        self._body = body
        self._calls = calls or self._repeat
        self.answer = answer

    def _repeat(self, iterations):
        body = self._body
        for _ in range(iterations):
            body()

    def time(self, iterations, warmup):
        self._calls(warmup)
        start = time.perf_counter()
        self._calls(iterations)
        return time.perf_counter() - start
