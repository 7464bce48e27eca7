# What the parts of run.sh share: words, comparison, the node. Sourced, not run.
# shellcheck shell=bash

passed=0
failed=0
skipped=0

say() { printf '%s\n' "$*" >&2; }
die() { say "compat: $*"; exit 2; }

pass() { passed=$((passed + 1)); say "  ok    $*"; }
fail() { failed=$((failed + 1)); say "  FAIL  $*"; }
skip() { skipped=$((skipped + 1)); say "  skip  $*"; }

# same NAME EXPECTED FOUND: two files must be equal.
same() {
  local name=$1 expected=$2 found=$3
  if cmp -s "$expected" "$found"; then
    pass "$name ($(wc -l < "$expected") lines, $(wc -c < "$expected") bytes)"
  else
    fail "$name: $(cmp "$expected" "$found" 2>&1 | head -1);" \
      "expected $(wc -lc < "$expected" | xargs) (lines, bytes), found $(wc -lc < "$found" | xargs)"
  fi
}

# text BYTES: that many printable bytes without a line end, different each time.
text() {
  local bytes=$1
  head -c "$bytes" /dev/urandom | base64 -w0 | cut -c "1-$bytes" | tr -d "\n"
}

# lines SIZE...: a line of each size, to standard output.
lines() {
  local size
  for size in "$@"; do text "$size"; echo; done
}

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# start_node: the binary under test on an empty directory; sets BOOTSTRAP, NODE and DATA.
start_node() {
  local port
  [[ -x ${FOREBAY:-} ]] || die "set FOREBAY to the binary under test, or BOOTSTRAP to a broker that runs"
  port=$(free_port)
  DATA=$WORK/data
  BOOTSTRAP=127.0.0.1:$port
  "$FOREBAY" serve --set "log.dirs=$DATA" --set "listeners=PLAINTEXT://$BOOTSTRAP" \
    --set log.segment.bytes=16777216 \
    --set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    --set allow.everyone.if.no.acl.found=true > "$WORK/node.log" 2>&1 &
  NODE=$!
  local patience=600
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 "$NODE" 2>/dev/null || { cat "$WORK/node.log" >&2; die "the node ended at once"; }
    (( patience-- > 0 )) || die "the node does not answer"
    sleep 0.05
  done
}

# stop_node: SIGTERM; fails when it does not end well.
stop_node() {
  local status=0
  kill -TERM "$NODE"
  wait "$NODE" || status=$?
  NODE=""
  if (( status == 0 )); then pass "the node ended with 0"; else fail "the node ended with $status"; fi
}

# wait_for_end TOPIC COUNT: acks=0 gives no sign, so the log's end is asked for.
wait_for_end() {
  local topic=$1 count=$2 end="" patience=200
  while (( patience-- > 0 )); do
    end=$(kcat -b "$BOOTSTRAP" -Q -t "$topic:0:-1" 2>/dev/null | sed -n 's/.*offset \([0-9]*\)$/\1/p')
    [[ $end == "$count" ]] && return 0
    sleep 0.05
  done
  fail "$topic: the log ends at ${end:-nowhere}, expected $count"
}
