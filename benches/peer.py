#!/usr/bin/env python3
"""The default network in PyTorch, eager and in float32: what this project is measured against (see `compare`).

    python3 benches/peer.py [--figure train|infer|stft|log_mel ...] [--batch 32 ...] [--device cpu|cuda] [--seconds 1]
                            [--threads 2] [--precision f32|tf32|bf16] [--channels-last] [--compile]
                            [--huge-pages]

Prints one line of JSON per figure and batch: `about`, and `ms`, the time of every run after those that warm up; with CUDA
`device_memory`, the peak of what tensors took. The options of the last two lines are what an expert would try: other layouts,
lower precision (autocast; the features and the loss stay in float32), `torch.compile` and huge pages. A training step is forward, loss, backward and AdamW, from audio in the host's memory to a loss
there; it does not clip, drop out or smooth labels, which the project's step does. Inference is from audio there to
probabilities there. The features are of audio in the device's memory, and stay there. Needs torch.
"""
import argparse
import json
import math
import os
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError:
    sys.exit("peer.py: torch is missing in this Python; install it (pip install torch) or name another Python")

RATE, N_FFT, HOP, MELS, LOW, HIGH, SLOPE = 44_100, 2048, 512, 128, 30.0, 16_000.0, 0.3
CHANNELS, UNITS = [16, 32, 64, 128], 256
WARM_UP, RUNS = 3, 3
FIGURES = ["train", "infer", "stft", "log_mel"]
# Of the C library's allocator, and of PyTorch's.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "THP_MEM_ALLOC_ENABLE": "1"}


def mel_filters():
    """Triangles of unit area on the HTK mel scale, [MELS, N_FFT/2 + 1]."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (LOW, HIGH))
    edges = 700 * (10 ** (torch.linspace(low, high, MELS + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return (triangles.clamp(min=0) * 2 / (right - left)).float()


class LogMel(nn.Module):
    """Audio [N, RATE] to ln(mel power + 1e-5) [N, 1, MELS, T]."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.register_buffer("mel", mel_filters())

    def power(self, audio):
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, center=True, pad_mode="reflect", return_complex=True)
        return spectrum.real**2 + spectrum.imag**2

    def forward(self, audio):
        with torch.autocast(audio.device.type, enabled=False):
            return torch.log(self.mel @ self.power(audio) + 1e-5).unsqueeze(1)


def conv_norm(inputs, outputs, kernel, stride=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.second = conv_norm(inputs, outputs, 3), conv_norm(outputs, outputs, 3)
        self.projection = conv_norm(inputs, outputs, 1)

    def forward(self, x):
        y = self.second(F.leaky_relu(self.first(x), SLOPE)) + self.projection(x)
        return F.max_pool2d(F.leaky_relu(y, SLOPE), 2, ceil_mode=True)


class Network(nn.Module):
    def __init__(self, genres):
        super().__init__()
        self.features, self.norm = LogMel(), nn.BatchNorm2d(1)
        self.stem = conv_norm(1, CHANNELS[0], 5, 2)
        self.blocks = nn.Sequential(*map(Block, [CHANNELS[0], *CHANNELS], CHANNELS))
        self.dense, self.dense_norm = nn.Linear(CHANNELS[-1], UNITS, bias=False), nn.BatchNorm1d(UNITS)
        self.head = nn.Linear(UNITS, genres)

    def forward(self, audio):
        x = F.leaky_relu(self.stem(self.norm(self.features(audio))), SLOPE)
        x = self.dense(self.blocks(x).mean((2, 3)))
        return self.head(F.leaky_relu(self.dense_norm(x), SLOPE))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", nargs="+", choices=FIGURES, default=["train"])
    parser.add_argument("--batch", nargs="+", type=int, default=[32])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seconds", type=float, default=1.0, help="runs are timed for so long, and at least 3")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    parser.add_argument("--genres", type=int, default=30)
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--huge-pages", action="store_true", help="ask for memory in huge pages (Linux, glibc)")
    options = parser.parse_args()
    if options.huge_pages and any(os.environ.get(name) != value for name, value in HUGE_PAGES.items()):
        # The C library reads it when a process begins.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **HUGE_PAGES})
    torch.set_num_threads(options.threads)
    # By the fastest kernel that cuDNN finds.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    torch.backends.cudnn.benchmark = True
    for figure in options.figure:
        for batch in options.batch:
            print(json.dumps(measure(options, figure, batch)), flush=True)


def measure(options, figure, batch):
    """The times of one figure at one batch."""
    torch.manual_seed(0)
    device = torch.device(options.device)
    network = Network(options.genres).to(device)
    if options.channels_last:
        network = network.to(memory_format=torch.channels_last)
    forward = torch.compile(network) if options.compile else network
    audio = torch.rand(batch, RATE) - 0.5
    labels = torch.arange(batch) % options.genres
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    if device.type == "cuda":
        audio, labels = audio.pin_memory(), labels.pin_memory()
    resident = audio.to(device)

    def lowered():
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.precision == "bf16")

    def train():
        optimizer.zero_grad(set_to_none=True)
        with lowered():
            logits = forward(audio.to(device, non_blocking=True))
        loss = F.cross_entropy(logits.float(), labels.to(device, non_blocking=True))
        loss.backward()
        optimizer.step()
        return loss.item()

    def infer():
        with lowered():
            logits = forward(audio.to(device, non_blocking=True))
        return logits.float().softmax(1).cpu()

    run = {
        "train": train,
        "infer": infer,
        "stft": lambda: network.features.power(resident),
        "log_mel": lambda: network.features(resident),
    }[figure]
    network.train(figure == "train")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times = []
    with torch.set_grad_enabled(figure == "train"):
        while len(times) < WARM_UP + RUNS or sum(times[WARM_UP:]) < options.seconds:
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    how = ["compiled" if options.compile else "eager", options.precision, *["channels last"] * options.channels_last]
    how += ["huge pages"] * options.huge_pages
    about = f"PyTorch {torch.__version__} ({', '.join(how)}), {name}"
    line = {"figure": figure, "batch": batch, "about": about, "ms": [1e3 * taken for taken in times[WARM_UP:]]}
    if device.type == "cuda":
        line["device_memory"] = torch.cuda.max_memory_allocated()
    return line


if __name__ == "__main__":
    main()
