"""Labels songs by their sound once Picard has saved them.

Picard calls plugins behind every saved file. This one waits until no more files come, and then runs `genre-recognizer label
plan` and `label apply` on the folders that they lie in, one after the other, beside Picard. Songs that have a genre keep it;
everything that is written can be taken back with `genre-recognizer label undo`.
"""

import hashlib
import os
import re
import shlex
import subprocess
import threading

# Picard 2 reads these; Picard 3 reads MANIFEST.toml.
PLUGIN_NAME = "Genre Recognizer"
PLUGIN_AUTHOR = "The authors of genre-recognizer"
PLUGIN_DESCRIPTION = "Names the genre of saved songs that have none, by their sound (runs the program genre-recognizer)."
PLUGIN_VERSION = "0.1"
PLUGIN_API_VERSIONS = ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13"]
PLUGIN_LICENSE = "MIT"
PLUGIN_LICENSE_URL = "https://opensource.org/license/mit"

# What may be changed, here or in the environment: the program, and flags of `label plan` and `label apply`.
PROGRAM = os.environ.get("GENRE_RECOGNIZER", "genre-recognizer")
PLAN_FLAGS = shlex.split(os.environ.get("GENRE_RECOGNIZER_PLAN_FLAGS", "--seconds 60"))
APPLY_FLAGS = shlex.split(os.environ.get("GENRE_RECOGNIZER_APPLY_FLAGS", ""))
# Seconds without a saved file after which it begins.
PAUSE = float(os.environ.get("GENRE_RECOGNIZER_PAUSE", "5"))


def state_folder():
    """Where plans and journals are kept."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "genre-recognizer", "picard")


def plan_of(folder):
    """The plan of a folder; its journal is beside it."""
    name = re.sub(r"[^\w-]+", "_", os.path.basename(folder))[:40]
    digest = hashlib.sha1(os.fsencode(folder)).hexdigest()[:12]
    return os.path.join(state_folder(), f"{name}-{digest}.plan")


class Labeller:
    """Labels the folders of saved files once no more of them come."""

    def __init__(self, info, error, pause=None):
        self.info, self.error = info, error
        self.pause = PAUSE if pause is None else pause
        self.lock = threading.Lock()
        # One folder at a time.
        self.work = threading.Lock()
        self.folders = set()
        self.timer = None

    def saved(self, path):
        """A file was saved."""
        with self.lock:
            self.folders.add(os.path.dirname(os.path.abspath(path)))
            if self.timer:
                self.timer.cancel()
            self.timer = threading.Timer(self.pause, self.begin)
            self.timer.daemon = True
            self.timer.start()

    def begin(self):
        with self.work:
            with self.lock:
                folders, self.folders = sorted(self.folders), set()
            for folder in folders:
                try:
                    self.label(folder)
                except OSError as error:
                    self.error(f"genre-recognizer: {folder}: {error}")

    def label(self, folder):
        plan = plan_of(folder)
        os.makedirs(os.path.dirname(plan), exist_ok=True)
        # The last one: this folder's songs have changed since, and an old plan must not be taken for a new one.
        if os.path.exists(plan):
            os.replace(plan, plan + "~")
        planned = self.run("plan", folder, "--out", plan, *PLAN_FLAGS)
        # 1 says that some songs cannot be heard; the plan of the others is there.
        if planned.returncode not in (0, 1) or not os.path.exists(plan):
            self.error(f"genre-recognizer: {folder} was not heard: {planned.stderr.strip()}")
            return
        applied = self.run("apply", plan, *APPLY_FLAGS)
        if applied.returncode not in (0, 1):
            self.error(f"genre-recognizer: {folder} was not labelled: {applied.stderr.strip()}")
            return
        self.info(f"genre-recognizer: {folder}: {applied.stdout.strip()}")

    def run(self, *arguments):
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
        return subprocess.run(
            [os.path.expanduser(PROGRAM), "label", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            **flags,
        )


def enable(api):
    """Picard 3."""
    labeller = Labeller(api.logger.info, api.logger.error)
    api.register_file_post_save_processor(lambda _api, file: labeller.saved(file.filename))


try:
    from picard.file import register_file_post_save_processor
except ImportError:
    pass
else:
    # Picard 2, which has no call for it: a plugin is enabled by being imported.
    from picard import log

    _labeller = Labeller(log.info, log.error)

    def _saved(file):
        _labeller.saved(file.filename)

    register_file_post_save_processor(_saved)
