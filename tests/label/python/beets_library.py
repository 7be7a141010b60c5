"""A beets library, labelled through the plugin: beets_library.py FOLDER PROGRAM MODEL PLUGINS, where FOLDER/music has songs."""

import os
import subprocess
import sys

folder, program, model, plugins = sys.argv[1:]
config = os.path.join(folder, "config.yaml")


def configure(auto):
    with open(config, "w") as out:
        out.write(
            f"directory: {folder}/library\nlibrary: {folder}/library.db\nimport: {{copy: yes, quiet: yes, autotag: no}}\n"
            f"pluginpath: {plugins}\nplugins: genrerecognizer\n"
            f"genrerecognizer: {{command: {program}, model: {model}, threshold: 0.05, top: 2, auto: {auto},"
            f" names: {{electronic: Electronica}}}}\n"
        )


def beet(*arguments):
    environment = {**os.environ, "BEETSDIR": folder, "HOME": folder, "XDG_CACHE_HOME": folder + "/cache"}
    done = subprocess.run(
        [sys.executable, "-m", "beets", "-c", config, *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def genres():
    lines = beet("ls", "-f", "$title|$genres|$genre_recognizer").splitlines()
    return {line.split("|")[0]: line.split("|")[1:] for line in lines}


def tags():
    import mediafile

    found = {}
    for parent, _, names in os.walk(folder + "/library"):
        for name in names:
            file = mediafile.MediaFile(os.path.join(parent, name))
            found[file.title] = file.genres
    return found


configure("no")
beet("import", "-A", folder + "/music")
before = tags()
assert len(before) == 3 and before["has"] == ["Mine"] and not before["one"], before
told = beet("genre-recognizer", "--pretend")
assert "->" in told and tags() == before, told
beet("genre-recognizer")
after = tags()
assert after["has"] == ["Mine"], after
assert after["one"] and after["two"], after
assert all(genre[0].isupper() for genre in after["one"] + after["two"])
assert "Electronic" not in after["one"] + after["two"]
listed = genres()
assert listed["one"][1] == "; ".join(after["one"]), listed
# By genre, as players would ask.
assert "one" in beet("ls", "-f", "$title", "genres:" + after["one"][0]).splitlines()
# What it wrote itself, it renews; what others wrote, it keeps.
beet("modify", "-y", "title:two", "genres=Theirs")
beet("genre-recognizer")
assert tags()["two"] == ["Theirs"], tags()
beet("genre-recognizer", "--add", "title:two")
assert tags()["two"] == ["Theirs", *after["two"]], tags()
beet("genre-recognizer", "--force", "title:has")
assert tags()["has"] and "Mine" not in tags()["has"], tags()
# On import, where configured.
subprocess.run(["rm", "-rf", folder + "/library", folder + "/library.db"], check=True)
configure("yes")
beet("import", "-A", folder + "/music")
imported = tags()
assert imported["one"] == after["one"] and imported["has"] == ["Mine"], imported
print("imported, labelled, queried")
