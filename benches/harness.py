"""What the scripts of this folder share: building, running one figure in a process of its own, and tables."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def stop(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def run(command, environment=None, quiet=False):
    """Runs a command; returns (what it printed, its peak memory in bytes). Stops where it fails, with its messages."""
    try:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        stop(f"{command[0]} cannot be started: {error}")
    printed = process.stdout.read()
    # The system counts for one child, whoever it is: the same measure for all.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        stop(f"`{' '.join(map(str, command))}` failed")
    return printed, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def build(*arguments, manifest="Cargo.toml"):
    """Builds with cargo; returns the executables by name."""
    command, *options = arguments
    command = ["cargo", command, "--manifest-path", ROOT / manifest, "--message-format", "json", *options]
    messages = map(json.loads, filter(lambda line: line.startswith("{"), run(command)[0].splitlines()))
    built = [message for message in messages if message.get("executable")]
    return {message["target"]["name"]: message["executable"] for message in built}


def figure(command, threads, quiet=False, environment=None, **options):
    """What `command` says about one figure, with its peak memory as `peak` (bytes)."""
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    environment = {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads), **(environment or {})}
    printed, peak = run([*command, *given], environment, quiet)
    return {**json.loads(printed.splitlines()[-1]), "peak": peak}


def measure():
    """The command of this project's figures, built."""
    return [build("bench", "--no-run", "--bench", "measure")["measure"]]


def median(measured):
    return statistics.median(measured["ms"])


def rate(ms, batch):
    return f"{ms:.1f} ({1e3 * batch / ms:.0f} frames/s)"


def megabytes(count):
    return f"{count / 1e6:.0f}"


def table(head, rows):
    """Prints a table in Markdown; columns but the first are numbers."""
    print(f"| {' | '.join(head)} |\n|---{'|---:' * (len(head) - 1)}|")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(flush=True)


def arguments(parser):
    """Adds what all scripts are asked."""
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of everyone (default: all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="a figure is timed for so long (at least 3 runs)")
