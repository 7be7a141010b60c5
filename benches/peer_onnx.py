#!/usr/bin/env python3
"""An exported model in onnxruntime on the processor: what this project is measured against (see `compare`).

    python3 benches/peer_onnx.py MODEL.onnx [--figure infer] [--batch 32] [--seconds 1]

MODEL.onnx: `genre-recognizer export --format onnx --model ...`, of a network of the default shape. Inference is from audio
in the host's memory to probabilities there. Prints one line of JSON: `about`, and `ms`, the time of every run after those
that warm up. OMP_NUM_THREADS: its threads. Needs onnxruntime and NumPy.
"""
import argparse
import json
import os
import time

import numpy
import onnxruntime

WARM_UP, RUNS = 3, 3

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model")
parser.add_argument("--figure", choices=["infer"], default="infer")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--seconds", type=float, default=1.0)
given = parser.parse_args()

options = onnxruntime.SessionOptions()
threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
options.intra_op_num_threads = threads
# Denormal numbers are slow otherwise.
options.add_session_config_entry("session.set_denormal_as_zero", "1")
session = onnxruntime.InferenceSession(given.model, options, providers=["CPUExecutionProvider"])
(audio,) = session.get_inputs()
shape = [given.batch, *audio.shape[1:]]
values = numpy.random.default_rng(1).uniform(-0.5, 0.5, shape).astype(numpy.float32)
times = []
while len(times) < WARM_UP + RUNS or sum(times[WARM_UP:]) < 1e3 * given.seconds:
    began = time.perf_counter()
    session.run(None, {audio.name: values})
    times.append(1e3 * (time.perf_counter() - began))
print(json.dumps({"about": f"onnxruntime {onnxruntime.__version__}, {threads} threads", "ms": times[WARM_UP:]}))
