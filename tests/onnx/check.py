"""Runs graphs of ONNX: every line of the manifest named is a file, the input's name, shape and values, and what must come out.

The checker goes through each file, its shapes and types too; onnxruntime runs it, on all of the batch and on its last item.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

manifest = pathlib.Path(sys.argv[1])
onnxruntime.set_default_logger_severity(3)
worst = 0.0
for line in manifest.read_text().splitlines():
    case = json.loads(line)
    path = manifest.parent / case["file"]
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    values = np.array(case["values"], np.float32).reshape(case["shape"])
    wanted = np.array(case["wanted"], np.float32).reshape(case["wanted_shape"])
    for part in (slice(None), slice(-1, None)) if case["batches"] else (slice(None),):
        (found,) = session.run(None, {case["input"]: values[part]})
        assert found.shape == wanted[part].shape, (case["what"], found.shape, wanted.shape)
        # Of the largest value, where that is above 1, as no probability is.
        error = float(np.abs(found - wanted[part]).max() / max(1.0, np.abs(wanted[part]).max()))
        assert error <= 1e-4, f"{case['what']}: off by {error}"
        worst = max(worst, error)
print(f"worst {worst:.1e}")
