#!/usr/bin/env bash
# fuzz/run.sh [SECONDS] [TARGET...]: builds the fuzz targets and runs each for SECONDS (30), one after the other.
#
# Stable Rust will do. It needs a C++ compiler (for libFuzzer) and ffmpeg (for the songs to begin with). Inputs that
# find new ways through the code stay in fuzz/corpus, so that a later run goes on from there; inputs that fail are put
# into fuzz/artifacts. To repeat one: fuzz/run.sh 0 TARGET FILE.
set -euo pipefail
from=$PWD
cd "$(dirname "$0")"
# What is not instrumented is shared with the program's build.
CARGO_TARGET_DIR=$(here=$PWD && cd "$from" && realpath -m "${CARGO_TARGET_DIR:-$here/../target}")
export CARGO_TARGET_DIR
seconds=${1:-30}
shift || true
all=(decode tracks genres model bundle)

missing=()
command -v cargo >/dev/null || missing+=("Rust (https://rustup.rs)")
command -v c++ >/dev/null || missing+=("a C++ compiler (Debian: apt-get install g++)")
command -v ffmpeg >/dev/null || missing+=("ffmpeg (Debian: apt-get install ffmpeg)")
[ -w /dev/shm ] || missing+=("/dev/shm, a folder in memory")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'fuzzing needs %s\n' "${missing[@]}" >&2
    exit 1
fi

# What is fuzzed has the dependencies that the program has.
[ Cargo.lock -nt ../Cargo.lock ] || cp ../Cargo.lock Cargo.lock
RUSTC_WRAPPER=$PWD/instrument.sh cargo build --quiet --release --bins

# The stack of the threads that the program decodes on.
ulimit -s 2048

# fuzz TARGET ARGUMENT...: one process. Memory is limited more strictly in the targets themselves. Instrumented code
# is several times slower than the program, and CI's machines are busy: hence a minute.
fuzz() {
    local target=$1
    shift
    "$CARGO_TARGET_DIR/release/fuzz-$target" -timeout=60 -rss_limit_mb=1500 -artifact_prefix="artifacts/$target/" "$@"
}

if [ "$seconds" = 0 ]; then
    target=$1 file=$(cd "$from" && realpath "$2")
    mkdir -p "artifacts/$target"
    fuzz "$target" "$file"
    exit
fi

./seeds.sh
failed=()
for target in "${@:-${all[@]}}"; do
    mkdir -p "artifacts/$target"
    log=artifacts/$target/log
    options=(-max_total_time="$seconds" -max_len=16384 -print_final_stats=1)
    [ ! -f "dictionaries/$target" ] || options+=(-dict="dictionaries/$target")
    if fuzz "$target" "${options[@]}" "corpus/$target" >"$log" 2>&1; then
        awk -v target="$target" '/ cov: / {cov = $4; inputs = $8} /number_of_executed_units/ {runs = $2}
            END {print target ": " runs " runs, " cov " edges, " inputs " inputs"}' "$log"
        sed -n 's/^panic, seen 1 ×,/  a panic that the program catches,/p' "$log"
    else
        failed+=("$target")
        grep -v ' cov: ' "$log" | tail -n 40 >&2
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}; see fuzz/artifacts" >&2
    exit 1
fi
