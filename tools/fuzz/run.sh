#!/usr/bin/env bash
# Runs every fuzz target (or those that FUZZ_TARGETS names) for SECONDS_EACH seconds each, default
# 60, on stable Rust: libFuzzer gets its coverage from the compiler's own instrumentation pass,
# without the sanitizers that need a nightly. All targets get their turn; a failure of one is told
# at the end, with the command that shows it again. Inputs that once failed lie in seeds/ and are
# where each run begins.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${SECONDS_EACH:-60}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-../../target}/fuzz"
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
triple="$(rustc -vV | sed -n 's/^host: //p')"
names="${FUZZ_TARGETS:-$(basename -s .rs -a targets/*.rs)}"
for name in $names; do bins+=(--bin "$name"); done
cargo build --release --locked --target "$triple" "${bins[@]}"
failed=()
for name in $names; do
    binary="$CARGO_TARGET_DIR/$triple/release/$name"
    corpus="$CARGO_TARGET_DIR/corpus/$name"
    artifacts="$CARGO_TARGET_DIR/artifacts/$name"
    mkdir -p "$corpus" "$artifacts"
    inputs=("$corpus")
    if [[ -d "seeds/$name" ]]; then inputs+=("seeds/$name"); fi
    echo "== $name for ${seconds} s"
    begin=$SECONDS
    if "$binary" "${inputs[@]}" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=1024 \
        -timeout=10 -artifact_prefix="$artifacts/" -print_final_stats=1 \
        >"$artifacts/log" 2>&1; then
        tail -n 8 "$artifacts/log"
        # A run that ends early and well has fuzzed nothing.
        if ((SECONDS - begin + 1 < seconds)); then
            echo "== $name ended after $((SECONDS - begin)) s"
            failed+=("$name")
        fi
    else
        tail -n 40 "$artifacts/log"
        echo "== $name failed; again with: $binary $(ls -t "$artifacts"/*-* | head -n 1)"
        failed+=("$name")
    fi
done
if ((${#failed[@]} > 0)); then
    echo "failed: ${failed[*]}"
    exit 1
fi
