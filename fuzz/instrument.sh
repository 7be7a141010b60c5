#!/bin/sh
# Cargo's RUSTC_WRAPPER: adds what libFuzzer needs to see (cargo-fuzz's flags, which stable Rust takes) to the crates
# under test. Those are the ones that Cargo.toml gives three codegen units, which nothing else has: as that is part of
# a crate's identity, instrumented crates are never mistaken for the program's own in a shared target folder.
case " $* " in
*" codegen-units=3 "*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    ;;
esac
exec "$@"
