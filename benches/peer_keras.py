#!/usr/bin/env python3
"""The default network in Keras, with Kapre's spectrogram as its first layers: what this project is measured against (see
`compare`).

    python3 benches/peer_keras.py [--figure train|infer|stft|log_mel] [--batch 32] [--seconds 1] [--threads 2]

Prints one line of JSON: `about`, and `ms`, the time of every run after those that warm up (and trace graphs). A training
step is `train_on_batch`: forward, loss, backward and AdamW; it does not clip, drop out or smooth labels, which the project's
step does. Inference is `predict_on_batch`. Kapre pads the end of a frame with zeros, where the project mirrors both ends:
as many columns, as much work. Needs tensorflow and kapre.
"""
import argparse
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
try:
    import keras
    import numpy as np
    import tensorflow as tf
    from kapre import STFT, ApplyFilterbank, Magnitude
    from keras import layers
except ImportError as error:
    sys.exit(f"peer_keras.py: {error}; install it (pip install tensorflow kapre) or name another Python")

RATE, N_FFT, HOP, MELS, LOW, HIGH, SLOPE = 44_100, 2048, 512, 128, 30.0, 16_000.0, 0.3
CHANNELS, UNITS = [16, 32, 64, 128], 256
WARM_UP, RUNS = 3, 3
FIGURES = ["train", "infer", "stft", "log_mel"]


def conv_norm(x, outputs, kernel, stride=1):
    return layers.BatchNormalization()(layers.Conv2D(outputs, kernel, stride, "same", use_bias=False)(x))


def leaky(x):
    return layers.LeakyReLU(negative_slope=SLOPE)(x)


def models(genres):
    """(The network, the part of it to the power spectrogram, the part of it to the features.)"""
    audio = keras.Input((RATE, 1))
    power = Magnitude()(STFT(n_fft=N_FFT, hop_length=HOP, pad_end=True)(audio))
    power = layers.Lambda(tf.square)(power)
    filters = dict(sample_rate=RATE, n_freq=N_FFT // 2 + 1, n_mels=MELS, f_min=LOW, f_max=HIGH, htk=True, norm="slaney")
    mel = ApplyFilterbank(type="mel", filterbank_kwargs=filters)(power)
    log_mel = layers.Lambda(lambda x: tf.math.log(x + 1e-5))(mel)
    x = layers.BatchNormalization()(log_mel)
    x = leaky(conv_norm(x, CHANNELS[0], 5, 2))
    for outputs in CHANNELS:
        y = conv_norm(leaky(conv_norm(x, outputs, 3)), outputs, 3)
        x = layers.MaxPooling2D(2, padding="same")(leaky(layers.Add()([y, conv_norm(x, outputs, 1)])))
    x = layers.Dense(UNITS, use_bias=False)(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(genres, "softmax")(leaky(layers.BatchNormalization()(x)))
    return keras.Model(audio, x), keras.Model(audio, power), keras.Model(audio, log_mel)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", choices=FIGURES, default="train")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=1.0, help="runs are timed for so long, and at least 3")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
    parser.add_argument("--genres", type=int, default=30)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    keras.utils.set_random_seed(0)

    network, power, log_mel = models(options.genres)
    network.compile(keras.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy")
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (options.batch, RATE, 1)).astype(np.float32)
    labels = np.arange(options.batch) % options.genres
    run = {
        "train": lambda: network.train_on_batch(audio, labels),
        "infer": lambda: network.predict_on_batch(audio),
        "stft": lambda: power.predict_on_batch(audio),
        "log_mel": lambda: log_mel.predict_on_batch(audio),
    }[options.figure]
    times = []
    while len(times) < WARM_UP + RUNS or sum(times[WARM_UP:]) < options.seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    about = f"Keras {keras.__version__} with Kapre, TensorFlow {tf.__version__}, {options.threads} threads"
    print(json.dumps({"about": about, "ms": [1e3 * taken for taken in times[WARM_UP:]]}))


if __name__ == "__main__":
    main()
