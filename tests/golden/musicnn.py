#!/usr/bin/env python3
"""Golden values of the published networks musicnn, by their own code, and a tiny network of the same kind.

    pip install tensorflow tf_keras numpy safetensors
    pip download --no-deps musicnn==0.1.0
    python3 tests/golden/musicnn.py musicnn-0.1.0-py3-none-any.whl      # writes beside this file

Written are

    musicnn_tiny.whl        a wheel as the published one, with one checkpoint of random weights: 16 bands, 20 frames
    musicnn.safetensors     NETWORK/embedding, /probabilities, /maximum, /mean of `tiny`, MSD_musicnn, MTT_musicnn;
                            variable/NAME: those of `tiny`, as TensorFlow reads them

The graphs are built by `musicnn/models.py` of the wheel, the checkpoints read and written by TensorFlow. The
embedding is what the package calls `penultimate`; maximum and mean are those over time. What goes in is
`spectrogram`, which the tests compute too: two clips, the same on every machine.
"""
import json
import os
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # models.py uses tf.compat.v1.layers, which Keras 3 has not
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

tf.compat.v1.disable_eager_execution()
tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
warnings.simplefilter("ignore")

SEED, CLIPS, TAGS = 7, 2, 50
TINY = {"frames": 20, "mels": 16, "filters": 0.0625, "middle": 3, "dense": 4}
FULL = {"frames": 187, "mels": 96, "filters": 1.6, "middle": 64, "dense": 200}
OUTPUTS = ("embedding", "probabilities", "maximum", "mean")


def spectrogram(frames, mels):
    """[CLIPS, frames, mels] in [0, 4): SplitMix64's numbers, quieter in high bands, with a rest after every beat.

    Every value is a multiple of 2^-15 and so the same in any arithmetic.
    """
    number = np.arange(1, CLIPS * frames * mels + 1, dtype=np.uint64)
    z = np.uint64(SEED) + number * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    level = ((z ^ (z >> np.uint64(31))) >> np.uint64(54)).reshape(CLIPS, frames, mels) / 256
    sounds = np.arange(frames) % 16 < 12
    return (level * (1 - np.arange(mels) / 128) * sounds[:, None]).astype(np.float32)


class Original:
    """One network as models.py builds it, in a session of its own. `size` is TINY or FULL."""

    def __init__(self, size):
        from musicnn import models

        self.size = size
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.input = tf.compat.v1.placeholder(tf.float32, [None, size["frames"], size["mels"]])
            training = tf.constant(False)
            # build_musicnn's own steps; it has the sizes of the front end as constants.
            kind = "7774timbraltemporal"
            front = models.frontend(self.input, training, size["mels"], size["filters"], kind)
            layers = models.midend(tf.concat(front, 2), training, size["middle"])
            logits, embedding, mean, maximum = models.backend(
                tf.concat(layers, 2), training, TAGS, size["dense"], type="globalpool_dense"
            )
            pooled = [tf.squeeze(values, [2]) for values in (maximum, mean)]
            self.outputs = [embedding, tf.sigmoid(logits), *pooled]
            self.variables = tf.compat.v1.global_variables()
            self.saver = tf.compat.v1.train.Saver(self.variables)

    def restore(self, prefix):
        """Reads the checkpoint whose files' names begin with `prefix`."""
        self.saver.restore(self.session, prefix)

    def run(self, spectrograms):
        """What comes out, in the order of OUTPUTS."""
        return self.session.run(self.outputs, {self.input: spectrograms})

    def golden(self, prefix):
        """What comes out of `spectrogram` by that checkpoint."""
        self.restore(prefix)
        return dict(zip(OUTPUTS, self.run(spectrogram(self.size["frames"], self.size["mels"]))))

    def randomise(self):
        """Gives every variable random values, none of them a default that a reader could get right by chance."""
        random = np.random.default_rng(SEED)
        for variable in self.variables:
            shape, name = variable.shape.as_list(), variable.op.name
            values = random.standard_normal(shape)
            if name.endswith("kernel"):
                values *= np.sqrt(0.5 / np.prod(shape[:-1]))
            elif name.endswith("gamma"):
                values = 0.7 * values  # half of them negative, so that nothing may pass the norm unnoticed
            elif name.endswith("variance"):
                values = np.exp(0.5 * values)
            else:
                values *= 0.3
            variable.load(values.astype(np.float32), self.session)


def write_tiny(wheel, folder, file):
    """Writes a wheel with one tiny network of random weights. Gives what comes out of it, and its variables."""
    tiny = Original(TINY)
    with tiny.session.graph.as_default():
        tiny.randomise()
        # Checkpoints of the package hold what its optimizer kept, too.
        step = tf.compat.v1.Variable(np.int64(1), name="global_step", use_resource=False)
        tiny.session.run(step.initializer)
        saver = tf.compat.v1.train.Saver([*tiny.variables, step])
        saver.save(tiny.session, f"{folder}/tiny", write_meta_graph=False)
    config = json.loads(wheel.read("musicnn/MSD_musicnn/config.json"))
    config |= {"xInput": TINY["frames"], "yInput": TINY["mels"]}
    config["audio_rep"]["n_mels"] = TINY["mels"]
    about = "musicnn-0.1.0.dist-info"
    members = {
        "musicnn/MSD_musicnn/.data-00000-of-00001": Path(f"{folder}/tiny.data-00000-of-00001").read_bytes(),
        "musicnn/MSD_musicnn/.index": Path(f"{folder}/tiny.index").read_bytes(),
        "musicnn/MSD_musicnn/config.json": json.dumps(config).encode(),
        f"{about}/LICENSE.md": wheel.read(f"{about}/LICENSE.md"),
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: musicnn\nVersion: 0.1.0\nLicense: ISC\n"
        b"Home-page: http://github.com/jordipons/musicnn\n\nA tiny network of random weights.\n",
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, contents in members.items():
            method = zipfile.ZIP_STORED if name.endswith(".index") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), contents, method)  # dated 1980
    reader = tf.compat.v1.train.NewCheckpointReader(f"{folder}/tiny")
    variables = {f"variable/{v.op.name}": reader.get_tensor(v.op.name) for v in tiny.variables}
    return tiny.golden(f"{folder}/tiny"), variables


def main():
    here = Path(__file__).parent
    sys.path.insert(0, sys.argv[1])
    golden = {}
    with zipfile.ZipFile(sys.argv[1]) as wheel, tempfile.TemporaryDirectory() as folder:
        wheel.extractall(folder)
        golden["tiny"], variables = write_tiny(wheel, folder, here / "musicnn_tiny.whl")
        full = Original(FULL)
        for network in ("MSD_musicnn", "MTT_musicnn"):
            golden[network] = full.golden(f"{folder}/musicnn/{network}/")
    tensors = {f"{network}/{name}": value for network, values in golden.items() for name, value in values.items()}
    save_file(tensors | variables, here / "musicnn.safetensors")
    for name, value in tensors.items():
        print(f"{name:28} {str(list(value.shape)):10} {value.min():10.5f} to {value.max():.5f}")


if __name__ == "__main__":
    main()
