#!/usr/bin/env python3
"""onnxruntime's predictions, beside sluice_predict_bench, which starts this and asks again and
again.

    python run_onnxruntime.py MODEL.onnx BATCH THREADS

Prints its version when it is ready. Then, for each line of standard input, the seconds of a piece
and of all of them, it predicts for so long and prints the seconds of one call, the median of the
pieces: with one thread those that it ran, with more those on the wall.
"""
import statistics
import sys
import time

import numpy as np
import onnxruntime


def main():
    path, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    x = np.random.default_rng(1).uniform(0, 1, (batch, *image.shape[1:])).astype(np.float32)
    feed = {image.name: x}
    now = time.thread_time if threads == 1 else time.perf_counter
    print(onnxruntime.__version__, flush=True)
    def seconds_per_call(piece):
        session.run(None, feed)
        calls, begin = 0, now()
        while True:
            session.run(None, feed)
            calls += 1
            if now() - begin >= piece:
                return (now() - begin) / calls

    for line in sys.stdin:
        piece, at_least = map(float, line.split())
        pieces, end = [], time.perf_counter() + at_least
        while not pieces or time.perf_counter() < end:
            pieces.append(seconds_per_call(piece))
        print(statistics.median(pieces), flush=True)


if __name__ == "__main__":
    main()
