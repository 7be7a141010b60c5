"""Gives items of a beets library the genres that genre-recognizer hears in them.

    beet genre-recognizer [--pretend] [--force] [--add] [--nowrite] QUERY

Genres that an item has stay, unless this plugin wrote them: what it wrote last is recorded in the item's field
`genre_recognizer`, and is renewed only where the item still has exactly that.
"""

import json
import os
import re
import subprocess

from beets import ui
from beets.plugins import BeetsPlugin

# Most files that one call of the program is given.
BATCH = 200
RECORD = "genre_recognizer"
SEPARATOR = "; "


class GenreRecognizerPlugin(BeetsPlugin):
    def __init__(self):
        super().__init__()
        self.config.add(
            {
                "auto": False,  # on import
                "command": "genre-recognizer",
                "model": "",  # the program's own choice
                "top": 1,
                "threshold": 0.5,
                "title_case": True,
                "names": {},  # from the model's names to those that are written
                "force": False,
            }
        )
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]

    def commands(self):
        command = ui.Subcommand("genre-recognizer", help="hear which genres songs are of")
        command.parser.add_option("-p", "--pretend", action="store_true", help="show changes and make none")
        command.parser.add_option("-f", "--force", action="store_true", help="in the place of genres that items have")
        command.parser.add_option("-a", "--add", action="store_true", help="behind the genres that items have")
        command.parser.add_option(
            "-W", "--nowrite", action="store_true", help="change the library and not the files' tags"
        )

        def run(lib, options, arguments):
            write = ui.should_write() and not options.nowrite
            force = options.force or self.config["force"].get(bool)
            self.label(list(lib.items(arguments)), write, force, options.add, options.pretend)

        command.func = run
        return [command]

    def imported(self, session, task):
        self.label(task.imported_items(), ui.should_write(), self.config["force"].get(bool))

    def label(self, items, write, force=False, add=False, pretend=False):
        """Gives items their genres; with `pretend` only says which."""
        items = [item for item in items if force or add or self.is_free(item)]
        for start in range(0, len(items), BATCH):
            batch = {bytes(item.path): item for item in items[start : start + BATCH]}
            for path, genres in self.heard(list(batch)):
                self.give(batch[path], genres, write, add, pretend)

    def is_free(self, item):
        """Whether an item has no genre but what was recorded."""
        has = list(item.genres or [])
        return not has or SEPARATOR.join(has) == item.get(RECORD)

    def give(self, item, genres, write, add, pretend):
        has = list(item.genres or [])
        if not genres:
            self._log.info("unsure: {}", item)
            return
        wanted = has + [genre for genre in genres if genre not in has] if add else genres
        if wanted == has:
            return
        ui.print_(f"{item}: {SEPARATOR.join(has) or 'no genre'} -> {SEPARATOR.join(wanted)}")
        if pretend:
            return
        item.genres = wanted
        item[RECORD] = SEPARATOR.join(wanted)
        if write:
            item.try_write()
        item.store()

    def heard(self, paths):
        """The genres of files, as far as they can be heard: (path, genres), no genres where the model is unsure."""
        top, threshold = self.config["top"].get(int), self.config["threshold"].as_number()
        program = self.config["command"].as_str()
        command = [os.path.expanduser(program), "predict", "--format", "json", "--top-k", str(top)]
        if self.config["model"].as_str():
            command += ["--model", self.config["model"].as_filename()]
        try:
            done = subprocess.run([*command, "--", *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise ui.UserError(f"genre-recognizer cannot be run ({error}); name it as genrerecognizer.command")
        # 1 says that some files could not be heard.
        if done.returncode not in (0, 1) or not done.stdout:
            raise ui.UserError(f"genre-recognizer failed: {done.stderr.decode(errors='replace').strip()}")
        for line in done.stderr.decode(errors="replace").splitlines():
            if line.startswith("skipped: "):
                self._log.warning("{}", line)
        for song in json.loads(done.stdout):
            likely = [guess["genre"] for guess in song["genres"] if guess["probability"] >= threshold]
            yield path_of(song["path"]), list(dict.fromkeys(map(self.spelt, likely)))

    def spelt(self, genre):
        """How a genre is written."""
        names = self.config["names"].get(dict)
        if genre in names:
            return str(names[genre])
        return genre.title() if self.config["title_case"].get(bool) else genre


def path_of(text):
    """The path whose text the program wrote: bytes that are no UTF-8 are \\xHH."""
    pieces = re.split(r"\\x([0-9A-Fa-f]{2})", text)
    texts = [piece.encode() for piece in pieces[0::2]]
    return b"".join(a + b for a, b in zip(texts, [bytes([int(digits, 16)]) for digits in pieces[1::2]] + [b""]))
