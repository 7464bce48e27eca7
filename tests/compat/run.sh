#!/usr/bin/env bash
# Other people's clients against the node; README.md beside this file says what each proves.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in lib kcat cli java rdkafka segments compaction clients legacy tools killed copier streams; do
  # shellcheck source=/dev/null
  . "$here/$part.sh"
done

WORK=$(mktemp -d "${TMPDIR:-/tmp}/forebay-compat-XXXXXX")
NODE="" DATA=""
finish() {
  local process
  [[ -z $NODE ]] || { kill -KILL "$NODE" 2>/dev/null || true; wait "$NODE" 2>/dev/null || true; }
  for process in "${compaction_process[@]}"; do kill -KILL "$process" 2>/dev/null || true; done
  if [[ -n ${KEEP:-} ]] || (( failed > 0 )); then say "kept: $WORK"; else rm -rf "$WORK"; fi
}
trap finish EXIT

[[ -n ${BOOTSTRAP:-} ]] || start_node
say "broker $BOOTSTRAP${QUICK:+, short form}"

# The combinations of codec, acks and idempotence; idempotence means acks=all (KIP-98).
combinations() {
  local codec
  for codec in none gzip snappy lz4 zstd; do echo "$codec all true"; done
  echo "none 0 false"
  echo "lz4 1 false"
  [[ -z ${QUICK:-} ]] || return 0
  for codec in none gzip snappy zstd; do echo "$codec 1 false"; done
  for codec in gzip snappy lz4 zstd; do echo "$codec 0 false"; done
  for codec in none gzip snappy lz4 zstd; do echo "$codec all false"; done
}

sizes=(1 2 3 10 100 100 100 1000 1000 10000 100000)
[[ -n ${QUICK:-} ]] || sizes+=(1 1 500000 1000000 1)

# write_all WRITER: every combination, one after the other, into the writer's topic.
write_all() {
  local writer=$1 topic=compat-lines-$1 codec acks idempotence
  : > "$WORK/lines-$writer"
  while read -r codec acks idempotence; do
    lines "${sizes[@]}" > "$WORK/lines"
    if ! "${writer}_write" "$topic" "$WORK/lines" "$codec" "$acks" "$idempotence" </dev/null; then
      fail "$writer writes $codec, acks $acks, idempotence $idempotence"
      continue
    fi
    cat "$WORK/lines" >> "$WORK/lines-$writer"
    wait_for_end "$topic" "$(wc -l < "$WORK/lines-$writer")"
  done < <(combinations)
}

kcat_available || die "kcat is needed to look into logs: run tests/compat/setup.sh"
writers=(kcat)
if cli_available; then writers+=(cli); fi
if java_available; then writers+=(java); fi

for writer in "${writers[@]}"; do
  say "$writer writes"
  write_all "$writer"
  for reader in "${writers[@]}"; do
    "${reader}_read" "compat-lines-$writer" "$(wc -l < "$WORK/lines-$writer")" > "$WORK/found" || true
    same "$reader reads what $writer wrote" "$WORK/lines-$writer" "$WORK/found"
  done
done

say "sizes"
kcat_sizes
say "load"
if rdkafka_available; then rdkafka_all; fi
if java_available; then java_performance; fi

say "old clients"
legacy_all

say "tools"
if tools_available; then tools_all; fi

if [[ -n $NODE ]]; then
  say "files"
  stop_node
  if java_available; then segments_all; fi
fi

say "compaction"
if compaction_available; then compaction_all; fi

say "groups"
clients_all

say "kills"
copier_all
streams_all

say "$passed passed, $failed failed, $skipped skipped"
(( failed == 0 ))
