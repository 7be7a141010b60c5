"""Compares two folders of songs as mutagen, ffmpeg and ffprobe read them: check.py OLD NEW written GENRE..., or ... undone.

Where a file of NEW differs from its original, it must name the genres; all else must be equal. With `undone` all tags must
be equal, and no genre is asked for.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import mutagen
import mutagen.apev2

old, new, mode, *wanted = sys.argv[1:]
GENRES = ("TCON", "genre", "GENRE", "Genre", "\xa9gen")


def read(path):
    """What mutagen opens, and all its tags as text."""
    file = mutagen.File(path)
    if file is None or file.tags is None:
        return file, {}
    return file, {key: repr(file.tags[key]) for key in file.tags.keys()}


def genres(name, file):
    if name == "ape.mp3":  # mutagen looks for ID3 alone in MP3
        return list(mutagen.apev2.APEv2(file.filename).get("Genre", []))
    for key in GENRES:
        try:
            if key in file.tags:
                return list(file.tags[key].genres) if key == "TCON" else list(file.tags[key])
        except (KeyError, ValueError):
            continue
    return None


def output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def packets(path):
    return output("ffmpeg", "-nostdin", "-v", "quiet", "-i", path, "-map", "0:a", "-c", "copy", "-f", "md5", "-")


def probe(path):
    """Tags, and chapters."""
    text = output("ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-show_chapters", "-of", "json", path)
    found = json.loads(text or "{}")
    tags = {}
    for place in [found.get("format", {}), *found.get("streams", [])]:
        tags.update({key.lower(): value for key, value in place.get("tags", {}).items()})
    tags.pop("genre", None)
    # Of the stream, and shown only where there is no tag.
    tags.pop("encoder", None)
    return tags, found.get("chapters")


def without(tags):
    return {key: value for key, value in tags.items() if key not in GENRES}


def check(name):
    before, after = os.path.join(old, name), os.path.join(new, name)
    with open(before, "rb") as a, open(after, "rb") as b:
        if a.read() == b.read():
            return []
    bad = []
    # ffmpeg takes ID3v1, which FLAC should not have, for a part of the last packet.
    if name != "id3.flac" and packets(before) != packets(after):
        bad.append("audio")
    if probe(before) != probe(after):
        bad.append("what ffprobe reads")
    (x, old_tags), (y, new_tags) = read(before), read(after)
    if (without(old_tags) if mode == "written" else old_tags) != (without(new_tags) if mode == "written" else new_tags):
        bad.append("tags")
    if getattr(x, "pictures", None) != getattr(y, "pictures", None):
        bad.append("pictures")
    if abs(x.info.length - y.info.length) > 1e-6:
        bad.append("length")
    if mode == "written" and genres(name, y) not in (wanted, ["; ".join(wanted)]):
        bad.append(f"genres {genres(name, y)}")
    return [f"{name}: {what}" for what in bad]


with ThreadPoolExecutor(4) as pool:
    found = [what for bad in pool.map(check, sorted(os.listdir(old))) for what in bad]
print("\n".join(found))
sys.exit(bool(found))
