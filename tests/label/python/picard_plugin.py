"""The plugin for Picard, called as Picard 2 and Picard 3 call it: both register it and hand it the files that they saved.

    picard_plugin.py FOLDER PROGRAM MODEL PLUGIN
"""

import importlib.util
import os
import sys
import threading
import types

import mutagen.id3
import mutagen.wave

folder, program, model, plugin = sys.argv[1:]
os.environ.update(
    GENRE_RECOGNIZER=program,
    GENRE_RECOGNIZER_PLAN_FLAGS=f"--model '{model}' --device cpu --threshold 0 --index '{folder}/index'",
    GENRE_RECOGNIZER_PAUSE="0.3",
    XDG_DATA_HOME=os.path.join(folder, "data"),
)


class File:
    """What Picard hands over, as far as it matters."""

    def __init__(self, filename):
        self.filename = filename


def genre(path):
    tags = mutagen.wave.WAVE(path).tags
    return [str(text) for text in tags["TCON"].text] if tags and "TCON" in tags else []


class Log:
    def __init__(self):
        self.lines, self.errors, self.told = [], [], threading.Event()

    def info(self, text, *arguments):
        self.lines.append(text)
        self.told.set()

    def error(self, text, *arguments):
        self.errors.append(text)
        self.told.set()


def load(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(plugin, "__init__.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def saves(log, hook, paths):
    """Saves files one behind the other; what is said once they are labelled."""
    log.told.clear()
    for path in paths:
        hook(File(path))
    assert log.told.wait(120), "nothing came of it"


# Picard 2: a module that is imported, and registers itself.
hooks, log2 = [], Log()
package, files = types.ModuleType("picard"), types.ModuleType("picard.file")
files.register_file_post_save_processor = hooks.append
package.file, package.log = files, log2
sys.modules.update({"picard": package, "picard.file": files})
module = load("genrerecognizer_2")
assert len(hooks) == 1 and all(hasattr(module, "PLUGIN_" + name) for name in ("NAME", "VERSION", "API_VERSIONS"))
two = [os.path.join(folder, "two", name) for name in ("one.wav", "has.wav")]
tags = mutagen.wave.WAVE(two[1])
tags.add_tags()
tags.tags.add(mutagen.id3.TCON(encoding=3, text="Mine"))
tags.save()
saves(log2, hooks[0], two)
assert not log2.errors and len(log2.lines) == 1 and log2.lines[0].count("1 file written") == 1, (log2.lines, log2.errors)
assert genre(two[0]) and genre(two[1]) == ["Mine"], (genre(two[0]), genre(two[1]))

# Picard 3: it calls enable() with its API, which hands itself to the hook.
del files.register_file_post_save_processor
module, log3, hooks = load("genrerecognizer_3"), Log(), []
api = types.SimpleNamespace(logger=log3, register_file_post_save_processor=lambda hook, priority=0: hooks.append(hook))
module.enable(api)
three = os.path.join(folder, "three", "three.wav")
saves(log3, lambda file: hooks[0](api, file), [three])
assert len(hooks) == 1 and not log3.errors and genre(three), (log3.lines, log3.errors)

# Saved again: nothing is left to do. And what was written can be taken back.
saves(log3, lambda file: hooks[0](api, file), [three])
assert not log3.errors and "1 keep the genre they have" in log3.lines[-1], log3.lines
plan = module.plan_of(os.path.dirname(three))
undone = module.Labeller(print, print).run("undo", plan + ".journal")
assert undone.returncode == 0 and not genre(three), (undone, genre(three))

# Where there is no program, it says so.
module.PROGRAM = os.path.join(folder, "nowhere")
saves(log3, lambda file: hooks[0](api, file), [three])
assert len(log3.errors) == 1, log3.errors
print("labelled")
