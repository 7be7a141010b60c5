#!/usr/bin/env python3
"""A model of musicnn's architecture in PyTorch or onnxruntime: what recognition with it is measured against.

    python3 benches/peer_musicnn.py MODEL [--runtime torch|onnxruntime] [--batch 10 ...] [--threads 2] [--seconds 1]

Prints one line of JSON per batch, as `peer.py` does: `about`, and `ms`, the time from audio [N, samples] in memory to
probabilities; and `cpu_ms`, the processor's time for it. The spectrogram is PyTorch's in both cases. Needs torch and safetensors, and for onnxruntime onnx, onnxscript
and onnxruntime.
"""
import argparse
import io
import json
import math
import os
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

WARM_UP, RUNS = 3, 3


def mel_filters(rate, n_fft, mels):
    """Slaney's scale and area, 0 to rate/2: [mels, n_fft/2 + 1]."""
    step, knee = 200 / 3, math.log(6.4) / 27
    to_mel = lambda hz: hz / step if hz < 1000 else 15 + math.log(hz / 1000) / knee
    to_hz = lambda mel: mel * step if mel < 15 else 1000 * math.exp(knee * (mel - 15))
    edges = torch.tensor([to_hz(to_mel(rate / 2) * i / (mels + 1)) for i in range(mels + 2)], dtype=torch.float64)
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return (triangles.clamp(min=0) * 2 / (right - left)).float()


class Features(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_fft, self.hop = config["n_fft"], config["hop"]
        self.window = torch.hann_window(self.n_fft)
        self.mel = mel_filters(config["sample_rate"], self.n_fft, config["mels"])

    def forward(self, audio):
        spectrum = torch.stft(
            audio, self.n_fft, self.hop, window=self.window, center=False, return_complex=True
        )
        power = self.mel @ (spectrum.real**2 + spectrum.imag**2)
        return torch.log10(1 + 1e4 * power).unsqueeze(1)


class Network(torch.nn.Module):
    """From the spectrogram [N, 1, mels, T]."""

    def __init__(self, tensors, config):
        super().__init__()
        self.names = list(tensors)
        for name, value in tensors.items():
            self.register_buffer(name.replace(".", "_"), value)
        self.epsilon = config["epsilon"]
        sizes = config["architecture"]["musicnn"]
        self.front = [f"timbral{i + 1}" for i in range(len(sizes["timbral"]))]
        self.front += [f"temporal{i + 1}" for i in range(len(sizes["temporal"]))]
        self.middle = len(sizes["middle"])

    def get(self, name):
        return getattr(self, name.replace(".", "_"))

    def norm(self, x, name):
        (scale, shift), (mean, variance) = self.get(f"{name}.norm.scale_shift"), self.get(f"{name}.norm.running")
        return F.batch_norm(x, mean, variance, scale, shift, eps=self.epsilon)

    def layer(self, x, name):
        weight, bias = self.get(f"{name}.conv.weight"), self.get(f"{name}.conv.bias")
        width = weight.shape[3]
        x = F.pad(x, ((width - 1) // 2, width // 2))
        return self.norm(F.relu(F.conv2d(x, weight, bias)), name)

    def forward(self, x):
        x = self.norm(x, "features")
        front = torch.cat([self.layer(x, name).amax(2, keepdim=True) for name in self.front], 1)
        layers, x = [front], front
        for i in range(self.middle):
            y = self.layer(x, f"middle{i + 1}")
            x = y if i == 0 else y + x
            layers.append(x)
        x = torch.cat(layers, 1).squeeze(2)
        x = self.norm(torch.cat([x.amax(2), x.mean(2)], 1), "pooling")
        x = self.norm(F.relu(F.linear(x, self.get("dense1.weight"), self.get("dense1.bias"))), "dense1")
        x = F.linear(x, self.get("head.weight"), self.get("head.bias"))
        return x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--runtime", choices=["torch", "onnxruntime"], default="torch")
    parser.add_argument("--batch", nargs="+", type=int, default=[10])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # Weight decay has left weights so small that processors take their time over them.
    torch.set_flush_denormal(True)
    with safe_open(options.model, "pt") as file:
        card = json.loads(file.metadata()["genre-recognizer"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    config = card["config"]
    features, network = Features(config), Network(tensors, config)
    samples = round(config["frame_seconds"] * config["sample_rate"])
    about = f"PyTorch {torch.__version__} (eager, f32), {options.threads} threads"
    forward = network
    if options.runtime == "onnxruntime":
        import onnxruntime

        file = io.BytesIO()
        example = features(torch.rand(2, samples))
        program = torch.onnx.export(
            network, (example,), input_names=["x"], dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True
        )
        file.write(program.model_proto.SerializeToString())
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = onnxruntime.InferenceSession(file.getvalue(), settings, providers=["CPUExecutionProvider"])
        forward = lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])
        about = f"onnxruntime {onnxruntime.__version__} (f32), {options.threads} threads"
    for batch in options.batch:
        audio = torch.rand(batch, samples) - 0.5
        times, cpu = [], []
        with torch.no_grad():
            while len(times) < WARM_UP + RUNS or sum(times[WARM_UP:]) < options.seconds:
                start, cpu_start = time.perf_counter(), time.process_time()
                forward(features(audio)).sigmoid()
                times.append(time.perf_counter() - start)
                cpu.append(time.process_time() - cpu_start)
        ms, cpu_ms = ([1e3 * taken for taken in all[WARM_UP:]] for all in (times, cpu))
        line = {"figure": "infer", "batch": batch, "about": about, "ms": ms, "cpu_ms": cpu_ms}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
