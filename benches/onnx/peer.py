"""What onnxruntime computes of an exported model, and how fast: FRONTEND FOLDER BATCH THREADS. See run."""
import json
import pathlib
import sys
import time

import numpy as np
import onnx
import onnxruntime

frontend, folder, batch, threads = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shapes = json.loads((folder / "shapes.json").read_text())
path = folder / f"{frontend}.onnx"
onnx.checker.check_model(onnx.load(path), full_check=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
# Denormal numbers, of which quiet frames have many, are slow otherwise.
options.add_session_config_entry("session.set_denormal_as_zero", "1")
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
name = "features" if frontend == "none" else "audio"
values = np.fromfile(folder / f"{name}.f32", np.float32).reshape(-1, *shapes[name])
wanted = np.fromfile(folder / "probabilities.f32", np.float32).reshape(-1, shapes["labels"])
worst, seconds, whole = 0.0, [], len(values) // batch * batch
for start in range(0, whole, batch):
    part = values[start : start + batch]
    began = time.perf_counter()
    (found,) = session.run(None, {name: part})
    seconds.append(time.perf_counter() - began)
    worst = max(worst, float(np.abs(found - wanted[start : start + batch]).max()))
median = 1e3 * float(np.median(seconds[1:]))
print(json.dumps({"runtime": f"onnxruntime {onnxruntime.__version__}", "frontend": frontend, "ms": median, "worst": worst,
                  "frames": whole}))
