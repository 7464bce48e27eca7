# Clients that take the node for a Kafka before 0.11: message sets instead of batches. Sourced by run.sh.
# shellcheck shell=bash

# legacy_kcat VERSION: kcat believes in that broker, whatever it serves.
legacy_kcat() {
  local version=$1 codec topic=compat-legacy-kcat-$1
  local old=(-b "$BOOTSTRAP" -X api.version.request=false -X "broker.version.fallback=$version")
  : > "$WORK/lines-legacy"
  for codec in none gzip snappy lz4; do
    lines 1 10 100 1000 100000 > "$WORK/lines"
    if ! kcat "${old[@]}" -P -t "$topic" -p 0 -l "$WORK/lines" -z "$codec"; then
      fail "kcat as of $version writes $codec"
      continue
    fi
    cat "$WORK/lines" >> "$WORK/lines-legacy"
  done
  kcat_read "$topic" "$(wc -l < "$WORK/lines-legacy")" > "$WORK/found" || true
  same "kcat of today reads what kcat as of $version wrote" "$WORK/lines-legacy" "$WORK/found"
  timeout 120 kcat "${old[@]}" -C -t "$topic" -p 0 -o beginning -q -c "$(wc -l < "$WORK/lines-legacy")" \
    > "$WORK/found" || true
  same "kcat as of $version reads what it wrote" "$WORK/lines-legacy" "$WORK/found"
  lines 1 1000 10000 > "$WORK/lines"
  for codec in none gzip snappy lz4 zstd; do
    kcat -b "$BOOTSTRAP" -P -t "$topic-new" -p 0 -l "$WORK/lines" -z "$codec" -H name=value
    timeout 120 kcat "${old[@]}" -C -t "$topic-new" -p 0 -o -3 -q -c 3 > "$WORK/found" || true
    same "kcat as of $version reads $codec batches of today" "$WORK/lines" "$WORK/found"
  done
}

# legacy_python VERSION: kafka-python, which writes its own message sets.
legacy_python() {
  local here venv=${XDG_CACHE_HOME:-$HOME/.cache}/forebay-compat/legacy-python
  here=$(dirname "${BASH_SOURCE[0]}")
  # xxhash: before 0.10 a frame of LZ4 has a checksum of its own kind.
  if ! "$venv/bin/python" -c 'import kafka, lz4, snappy, xxhash' 2> /dev/null; then
    if ! { python3 -m venv "$venv" \
      && "$venv/bin/pip" -q install kafka-python==2.0.6 python-snappy lz4 xxhash; } >&2; then
      rm -rf "$venv"
      skip "kafka-python as of $1: it cannot be installed"
      return
    fi
  fi
  if "$venv/bin/python" "$here/legacy.py" "$BOOTSTRAP" "$1" > "$WORK/said" 2>&1; then
    pass "kafka-python as of $(tail -1 "$WORK/said")"
  else
    fail "kafka-python as of $1: $(tail -1 "$WORK/said")"
  fi
}

legacy_all() {
  local version
  for version in 0.8.2 0.9.0 0.10.0 0.10.1; do legacy_kcat "$version"; done
  for version in 0.8.2 0.9 0.10.0 0.10.1; do legacy_python "$version"; done
}
