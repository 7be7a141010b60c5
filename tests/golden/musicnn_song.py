#!/usr/bin/env python3
"""What the published networks musicnn make of songs: embeddings and tags as JSON, to compare an import with.

    pip install tensorflow tf_keras numpy safetensors librosa
    python3 tests/golden/musicnn_song.py WHEEL 16_KHZ_MONO.wav... >songs.json

The spectrogram is that of the package's `extractor.py`, in two ways:

    original    the mel power is rounded to float16, and what follows is float32, as NumPy 1 computes the package's
                line (under NumPy 2 all of it would be float16, and overflow in most music)
    exact       float32, without that rounding

librosa pads the ends of a song with zeros since version 0.10; with the librosa of the package's time it mirrored
the song there, and so does this script. Windows are 187 frames, one behind the other; what is left is dropped.
"""
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import librosa
import numpy as np
import musicnn as golden  # the script beside this one

WAYS = ("original", "exact")


def windows(song, way):
    """[windows, 187, 96] in float32."""
    samples, rate = librosa.load(song, sr=16_000)
    power = librosa.feature.melspectrogram(
        y=samples, sr=rate, hop_length=256, n_fft=512, n_mels=96, pad_mode="reflect"
    ).T
    if way == "original":
        power = power.astype(np.float16).astype(np.float32)
    values = np.log10(10_000 * power + 1)
    frames = golden.FULL["frames"]
    return values[: len(values) // frames * frames].reshape(-1, frames, 96)


def main():
    wheel, *songs = sys.argv[1:]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        sys.modules.pop("musicnn")  # from here on it is the package
        sys.path.insert(0, folder)
        network = golden.Original(golden.FULL)
        for name in ("MSD_musicnn", "MTT_musicnn"):
            network.restore(f"{folder}/musicnn/{name}/")
            for song in songs:
                for way in WAYS:
                    embedding, probabilities, *_ = network.run(windows(song, way))
                    entry = {"embedding": embedding.tolist(), "probabilities": probabilities.tolist()}
                    found.setdefault(str(Path(song).resolve()), {}).setdefault(name, {})[way] = entry
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
