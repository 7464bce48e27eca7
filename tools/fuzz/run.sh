#!/usr/bin/env bash
# Runs every fuzz target for SECONDS each (default 60) on stable Rust: libFuzzer gets its coverage
# from the compiler's own instrumentation pass, without the sanitizers that need a nightly.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${SECONDS_EACH:-60}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-../../target}/fuzz"
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
triple="$(rustc -vV | sed -n 's/^host: //p')"
cargo build --release --locked --target "$triple" --bins
for target in targets/*.rs; do
    name="$(basename "$target" .rs)"
    corpus="$CARGO_TARGET_DIR/corpus/$name"
    mkdir -p "$corpus"
    echo "== $name for ${seconds} s"
    "$CARGO_TARGET_DIR/$triple/release/$name" "$corpus" -max_total_time="$seconds" \
        -max_len=65536 -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 2>&1 | tail -n 12
done
