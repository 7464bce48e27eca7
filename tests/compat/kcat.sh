# kcat: librdkafka as most people meet it. Sourced by run.sh.
# shellcheck shell=bash

kcat_available() {
  command -v kcat >/dev/null || { skip "kcat: not in PATH, tests/compat/setup.sh installs it"; return 1; }
}

# kcat_write TOPIC FILE CODEC ACKS IDEMPOTENCE
kcat_write() {
  kcat -b "$BOOTSTRAP" -P -t "$1" -p 0 -l "$2" -z "$3" -X "acks=$4" -X "enable.idempotence=$5" \
    -X message.max.bytes=1048588
}

# kcat_read TOPIC COUNT
kcat_read() {
  timeout 120 kcat -b "$BOOTSTRAP" -C -t "$1" -p 0 -o beginning -c "$2" -q
}

# Values up to the last byte that a batch of max.message.bytes has room for, and one beyond it.
kcat_sizes() {
  local topic=compat-kcat-sizes size
  # The default of max.message.bytes, less a batch header and the longest record header.
  local largest=$((1048588 - 61 - 14))
  for size in 1 2 4095 4096 4097 65536 "$largest"; do
    head -c "$size" /dev/urandom > "$WORK/value"
    if ! kcat -b "$BOOTSTRAP" -P -t "$topic-$size" -p 0 -X message.max.bytes=1048588 "$WORK/value"; then
      fail "kcat: a value of $size bytes is refused"
      continue
    fi
    timeout 60 kcat -b "$BOOTSTRAP" -C -t "$topic-$size" -p 0 -o beginning -c 1 -q -D "" > "$WORK/found" || true
    same "kcat: a binary value of $size bytes" "$WORK/value" "$WORK/found"
  done
  head -c 1048600 /dev/urandom > "$WORK/value"
  if kcat -b "$BOOTSTRAP" -P -t "$topic-1" -p 0 -X message.max.bytes=2000000 "$WORK/value" 2> "$WORK/said"; then
    fail "kcat: a value beyond max.message.bytes is taken"
  elif grep -qi "too large" "$WORK/said"; then
    pass "kcat: a value beyond max.message.bytes is refused by name"
  else
    fail "kcat: a value beyond max.message.bytes is refused with: $(head -1 "$WORK/said")"
  fi
}
