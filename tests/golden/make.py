#!/usr/bin/env python3
"""Golden values of one training step of the default network, in float64, by PyTorch.

    pip install torch numpy safetensors
    python3 tests/golden/make.py            # writes genre_net.safetensors beside this file

The network is the default one with fewer channels, on two seconds of synthetic sound: audio -> ln(mel power) ->
batch norm -> stem -> residual blocks -> mean -> dense -> dropout -> head -> cross-entropy on soft labels with
smoothing and class weights -> AdamW. Tensors of the file:

    audio, labels, class_weights, counter    what goes in
    features, logits, loss                   what comes out
    parameters/NAME, gradients/NAME          scale and shift of a batch norm are one tensor [2, C]
    stepped/NAME                             parameters after the step
    running/NAME, updated/NAME               running mean and variance [2, C] before and after

Settings that the engine keeps in float32 (slope, momentum, mel filters ...) are rounded to it here too, so that
both sides compute the same function and agree to rounding errors of float64.
"""
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

RATE, N_FFT, HOP, MELS, LOW, HIGH = 44_100, 2048, 512, 128, 30.0, 16_000.0
CHANNELS, DENSE, CLASSES, BATCH = [4, 4, 8, 8], 16, 10, 2
single = lambda value: float(np.float32(value))
FLOOR, SLOPE, MOMENTUM, EPSILON = single(1e-5), single(0.3), single(0.1), 1e-5
DROPOUT, SMOOTHING, SEED, STEP = 0.25, single(0.1), 7, 3
LEARNING_RATE, BETAS, ADAM_EPSILON, DECAY = 1e-3, (single(0.9), single(0.999)), single(1e-8), single(0.01)


def sound(random):
    """A chord that fades, and noise that beats: [2, RATE] in float32.

    Both lie in noise, because the power of a quiet band beside a loud one is all rounding error in float32.
    """
    t = np.arange(RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hz * t + hz) for hz in (110.0, 277.18, 659.26, 3520.0)) * np.exp(-3 * t)
    noise = random.standard_normal((BATCH, RATE))
    beats = noise[1] * (np.sin(2 * np.pi * 5 * t) > 0)
    return np.stack([0.2 * chord + 0.1 * noise[0], 0.3 * beats + 0.1 * noise[0]]).astype(np.float32)


def mel_filters():
    """Triangles of unit area on the HTK mel scale, [MELS, N_FFT/2 + 1]."""
    to_mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    to_hz = lambda mel: 700 * (10 ** (mel / 2595) - 1)
    step = (to_mel(HIGH) - to_mel(LOW)) / (MELS + 1)
    edges = to_hz(to_mel(LOW) + step * np.arange(MELS + 2))
    hz = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.maximum(0, np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)))
    return torch.tensor((triangles * (2 / (right - left))).astype(np.float32))


def kept(elements):
    """The mask of the first dropout layer: which elements stay."""
    def mix(x):
        x ^= x >> np.uint32(16)
        x = x * np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x = x * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))

    word = lambda value: np.array([value], dtype=np.uint32)
    key = mix(word(1) ^ mix(word(STEP) ^ mix(word(SEED))))  # layers count from 1
    words = mix(np.arange(elements, dtype=np.uint32) ^ key)
    return torch.tensor((words >> np.uint32(8)) >= round(DROPOUT * 2**24))


def step(dtype):
    """All tensors of the file, computed in `dtype`."""
    random = np.random.default_rng(20)
    parameters, running, updated = {}, {}, {}

    def parameter(name, *shape, scale, mean=0.0):
        value = mean + scale * random.standard_normal(shape)
        parameters[name] = torch.tensor(value, dtype=dtype, requires_grad=True)
        return parameters[name]

    def norm(x, name):
        channels = x.shape[1]
        affine = parameter(f'{name}.norm.scale_shift', 2, channels, scale=0.2, mean=np.array([[1.0], [0.0]]))
        statistics = f'{name}.norm.running'
        running[statistics] = np.stack([0.3 * random.standard_normal(channels), 0.5 + random.random(channels)])
        mean, variance = (torch.tensor(row, dtype=dtype) for row in running[statistics])
        y = F.batch_norm(x, mean, variance, affine[0], affine[1], training=True, momentum=MOMENTUM, eps=EPSILON)
        updated[statistics] = np.stack([mean.numpy(), variance.numpy()])
        return y

    def conv_norm(x, name, channels, kernel, stride=1):
        fan_in = x.shape[1] * kernel**2
        weight = parameter(f'{name}.conv.weight', channels, x.shape[1], kernel, kernel, scale=(2 / fan_in) ** 0.5)
        return norm(F.conv2d(x, weight, stride=stride, padding=kernel // 2), name)

    def leaky(x):
        return F.leaky_relu(x, SLOPE)

    audio = sound(random)
    window = torch.hann_window(N_FFT, periodic=True, dtype=dtype)
    signal = torch.tensor(audio).to(dtype)
    spectrum = torch.stft(signal, N_FFT, HOP, window=window, center=True, pad_mode='reflect', return_complex=True)
    features = torch.log(mel_filters().to(dtype) @ (spectrum.real**2 + spectrum.imag**2) + FLOOR).unsqueeze(1)

    x = leaky(conv_norm(norm(features, 'features'), 'stem', CHANNELS[0], 5, stride=2))
    for i, channels in enumerate(CHANNELS, 1):
        y = leaky(conv_norm(x, f'block{i}.conv1', channels, 3))
        y = conv_norm(y, f'block{i}.conv2', channels, 3)
        x = leaky(y + conv_norm(x, f'block{i}.projection', channels, 1))
        x = F.max_pool2d(x, 2, ceil_mode=True)
    x = x.mean((2, 3))
    # Of two samples a batch norm leaves little but the sign of their difference, and nearly no gradient; weights that
    # make its variance no larger than EPSILON keep the layers before it in play.
    x = leaky(norm(x @ parameter('dense1.weight', DENSE, x.shape[1], scale=0.02).T, 'dense1'))
    x = torch.where(kept(x.numel()).reshape(x.shape), x / (1 - DROPOUT), torch.zeros((), dtype=dtype))
    logits = x @ parameter('head.weight', CLASSES, DENSE, scale=0.4).T + parameter('head.bias', CLASSES, scale=0.2)

    labels = np.zeros((BATCH, CLASSES))
    labels[0, 3], labels[0, 8], labels[1, 5] = 0.7, 0.3, 1.0
    class_weights = 0.5 + random.random(CLASSES)
    target, weight = torch.tensor(labels).to(dtype), torch.tensor(class_weights).to(dtype)
    loss = F.cross_entropy(logits, target, weight=weight, label_smoothing=SMOOTHING)
    loss.backward()

    tensors = dict(
        audio=audio, labels=labels, class_weights=class_weights, counter=np.array([SEED, STEP], dtype=np.float64),
        features=features.numpy(), logits=logits.detach().numpy(), loss=loss.detach().numpy().reshape(1),
    )
    for name, value in parameters.items():
        tensors[f'parameters/{name}'] = value.detach().numpy().copy()
        tensors[f'gradients/{name}'] = value.grad.numpy()
    # Weights decay; scales, shifts and biases do not.
    decays = lambda name: name.endswith('weight')
    groups = [dict(params=[value for name, value in parameters.items() if decays(name) == on], weight_decay=decay)
              for on, decay in ((True, DECAY), (False, 0.0))]
    torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, eps=ADAM_EPSILON).step()
    for name, value in parameters.items():
        tensors[f'stepped/{name}'] = value.detach().numpy()
    for name in running:
        tensors[f'running/{name}'], tensors[f'updated/{name}'] = running[name], updated[name]
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


golden = step(torch.float64)
save_file(golden, Path(__file__).with_name('genre_net.safetensors'), metadata=dict(torch=torch.__version__))
print(f'loss {golden["loss"][0]:.15f}')

# What rounding to float32 costs PyTorch itself; the tolerance of devices goes by it.
error = lambda a, b: (np.abs(a - b) / np.maximum(np.abs(b), np.sqrt(np.mean(b**2)))).max()
errors = {name: error(value, golden[name]) for name, value in step(torch.float32).items()}
worst = max((name for name in errors if not name.startswith('stepped')), key=errors.get)
print(f'float32 differs by at most {errors[worst]:.1e} of an element or its tensor\'s RMS, in {worst}')
