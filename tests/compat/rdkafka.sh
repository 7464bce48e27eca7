# librdkafka's own generator, for load. Sourced by run.sh.
# shellcheck shell=bash

rdkafka_available() {
  RDKAFKA=$(command -v rdkafka_performance || echo "${RDKAFKA_DIR:-/nowhere}/examples/rdkafka_performance")
  [[ -x $RDKAFKA ]] || { skip "rdkafka: rdkafka_performance is not in PATH and RDKAFKA_DIR does not have it"; return 1; }
}

# rdkafka_load SIZE COUNT CODEC ACKS IDEMPOTENCE: produce, consume, and compare what both counted.
rdkafka_load() {
  local size=$1 count=$2 codec=$3 acks=$4 idempotence=$5
  local what="rdkafka: $count records of $size bytes, $codec, acks $acks, idempotence $idempotence"
  local topic="compat-rdkafka-$count-$size-$codec-$acks-$idempotence"
  if ! timeout 120 "$RDKAFKA" -P -b "$BOOTSTRAP" -t "$topic" -p 0 -s "$size" -c "$count" -a "$acks" -z "$codec" \
      -X "enable.idempotence=$idempotence" -X message.max.bytes=1048588 -X linger.ms=5 -q > "$WORK/said" 2>&1; then
    if grep -q "not available at build time" "$WORK/said"; then
      skip "$what: this librdkafka was built without $codec"
    else
      fail "$what: producing failed: $(tail -1 "$WORK/said")"
    fi
    return
  fi
  wait_for_end "$topic" "$count"
  # kcat sees each size, the generator's own consumer only counts.
  timeout 120 kcat -b "$BOOTSTRAP" -C -t "$topic" -p 0 -o beginning -c "$count" -q -f '%S\n' | sort -n | uniq -c \
    | awk '{ print $1, $2 }' > "$WORK/found" || true
  echo "$count $size" > "$WORK/expected"
  if ! cmp -s "$WORK/expected" "$WORK/found"; then
    fail "$what: expected \"$(cat "$WORK/expected")\", found \"$(head -3 "$WORK/found" | xargs)\""
    return
  fi
  if ! timeout 120 "$RDKAFKA" -C -b "$BOOTSTRAP" -t "$topic" -p 0 -o beginning -c "$count" -q > "$WORK/said" 2>&1; then
    fail "$what: consuming failed: $(tail -1 "$WORK/said")"
    return
  fi
  pass "$what"
}

rdkafka_all() {
  local codec acks
  rdkafka_load 1000 20000 none 0 false
  for codec in none gzip snappy lz4 zstd; do rdkafka_load 1000 20000 "$codec" -1 true; done
  [[ -z ${QUICK:-} ]] || return 0
  for acks in 1 -1; do rdkafka_load 1000 20000 lz4 "$acks" false; done
  rdkafka_load 1 200000 none -1 true
  rdkafka_load 100 500000 none -1 true
  rdkafka_load 1000 500000 none -1 true
  rdkafka_load 900000 500 none -1 true
}
