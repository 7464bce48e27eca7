# The same random input into compacted topics of ours and of Apache Kafka's: the same records are left, at the same
# offsets, and Kafka's DumpLogSegments reads our compacted files. Sourced by run.sh; COMPACTION_SEED replays a run.
# shellcheck shell=bash

compaction_available() {
  [[ -z ${QUICK:-} ]] || { skip "compaction: not in the short form, it starts a Kafka broker"; return 1; }
  [[ -n ${KAFKA_HOME:-} ]] || { skip "compaction: KAFKA_HOME is not set"; return 1; }
  [[ -d $KAFKA_HOME/libs ]] || { skip "compaction: no libs/ in $KAFKA_HOME"; return 1; }
  [[ -x ${FOREBAY:-} ]] || { skip "compaction: FOREBAY is not set, and the node needs settings of its own"; return 1; }
}

compaction_partition=0
declare -A compaction_bootstrap=() compaction_data=() compaction_process=()

# compaction_await_port SIDE
compaction_await_port() {
  local patience=1200 address=${compaction_bootstrap[$1]}
  until (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; do
    kill -0 "${compaction_process[$1]}" 2>/dev/null || { tail -5 "$WORK/$1.log" >&2; die "compaction: $1 ended at once"; }
    (( patience-- > 0 )) || die "compaction: $1 does not answer"
    sleep 0.1
  done
}

compaction_start_forebay() {
  compaction_bootstrap[forebay]=127.0.0.1:$(free_port)
  compaction_data[forebay]=$WORK/forebay
  "$FOREBAY" serve --set "log.dirs=$WORK/forebay" --set "listeners=PLAINTEXT://${compaction_bootstrap[forebay]}" \
    --set log.cleaner.backoff.ms=200 --set log.flush.offset.checkpoint.interval.ms=200 \
    > "$WORK/forebay.log" 2>&1 &
  compaction_process[forebay]=$!
}

compaction_start_kafka() {
  local port controller
  port=$(free_port)
  controller=$(free_port)
  compaction_bootstrap[kafka]=127.0.0.1:$port
  compaction_data[kafka]=$WORK/kafka
  cat > "$WORK/kafka.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$WORK/kafka
log.cleaner.backoff.ms=200
offsets.topic.replication.factor=1
PROPERTIES
  "$KAFKA_HOME/bin/kafka-storage.sh" format --cluster-id FAAAAAAAAAAAAAAAAAAAAA \
    --config "$WORK/kafka.properties" > "$WORK/kafka.log" 2>&1
  java -Xmx512m -cp "$KAFKA_HOME/libs/*" kafka.Kafka "$WORK/kafka.properties" >> "$WORK/kafka.log" 2>&1 &
  compaction_process[kafka]=$!
}

# compaction_cleaned SIDE TOPIC OFFSET: waits until the cleaner says that it came so far.
compaction_cleaned() {
  local patience=300 file=${compaction_data[$1]}/cleaner-offset-checkpoint
  until grep -qx "$2 $compaction_partition $3" "$file" 2>/dev/null; do
    (( patience-- > 0 )) || { fail "compaction: $1 does not compact $2 up to $3: $(grep "^$2 " "$file")"; return 1; }
    sleep 0.2
  done
}

# compaction_write SIDE TOPIC FILE CODEC: one batch.
compaction_write() {
  kcat -P -b "${compaction_bootstrap[$1]}" -t "$2" -p "$compaction_partition" -K '|' -Z -z "$4" \
    -X linger.ms=500 -X request.required.acks=-1 < "$3" > "$WORK/said" 2>&1 \
    || { fail "compaction: kcat cannot write $3 to $1: $(tail -1 "$WORK/said")"; return 1; }
}

# compaction_read SIDE TOPIC: all that is left, but for the records that made the log roll.
compaction_read() {
  kcat -C -b "${compaction_bootstrap[$1]}" -t "$2" -p "$compaction_partition" -o beginning -e -q -Z \
    -X check.crcs=true -f '%o|%k|%s\n' 2>/dev/null | grep -v '|rolls-' || true
}

# compaction_tool SIDE NAME ARGS...
compaction_tool() {
  local side=$1 name=$2
  shift 2
  "$KAFKA_HOME/bin/kafka-$name.sh" --bootstrap-server "${compaction_bootstrap[$side]}" "$@" > "$WORK/said" 2>&1 \
    || { fail "compaction: $name at $side: $(tail -2 "$WORK/said" | xargs)"; return 1; }
}

# compaction_roll SIDE TOPIC NUMBER OFFSET: a record that has a segment of its own; all before it is compacted then.
compaction_roll() {
  printf 'rolls-%s|now\n' "$3" > "$WORK/rolls"
  compaction_write "$1" "$2" "$WORK/rolls" none && compaction_cleaned "$1" "$2" "$4"
}

# compaction_variant TOPIC KEPT DELETE_RETENTION_MS: with these tombstones either all stay or all go.
compaction_variant() {
  local topic=$1 kept=$2 retention=$3 side file end number
  end=$(cat "$WORK"/input/batch-* | wc -l)
  for side in forebay kafka; do
    compaction_tool "$side" topics --create --topic "$topic" --partitions 1 --replication-factor 1 \
      --config cleanup.policy=compact --config segment.bytes=1048576 --config min.cleanable.dirty.ratio=0.0 \
      --config "delete.retention.ms=$retention" || return 0
    for file in "$WORK"/input/batch-*; do
      compaction_write "$side" "$topic" "$file" "${file##*.}" || return 0
    done
    # From here on every batch has a segment of its own. The second and the third run find tombstones that the
    # first one gave their time.
    compaction_tool "$side" configs --alter --entity-type topics --entity-name "$topic" --add-config segment.ms=1 \
      || return 0
    for number in 0 1 2; do
      compaction_roll "$side" "$topic" "$number" "$((end + number))" || return 0
    done
    compaction_read "$side" "$topic" > "$WORK/$topic-$side"
  done
  same "compaction: $topic: Kafka leaves what its rules say" "$WORK/input/$kept" "$WORK/$topic-kafka"
  same "compaction: $topic: forebay leaves what Kafka leaves" "$WORK/$topic-kafka" "$WORK/$topic-forebay"
}

# compaction_segments TOPIC KEPT: compacted logs have gaps, which the tool calls non-consecutive.
compaction_segments() {
  local topic=$1 kept=$2 dir=${compaction_data[forebay]}/$1-$compaction_partition
  segments_read "compaction: $topic" ' is followed by ' < <(find "$dir" -type f | sort)
  "$KAFKA_HOME/bin/kafka-dump-log.sh" --print-data-log \
    --files "$(find "$dir" -name '*.log' | sort | paste -sd,)" 2>/dev/null \
    | sed -nE 's/^.*\| offset: ([0-9]+) .* key: ([^ ]+)( payload: (.*))?$/\1|\2|\4/p' \
    | sed 's/|$/|NULL/' | grep -v '|rolls-' > "$WORK/found" || true
  same "compaction: $topic: --print-data-log" "$WORK/input/$kept" "$WORK/found"
}

compaction_all() {
  local seed=${COMPACTION_SEED:-$RANDOM} side status
  say "  seed  COMPACTION_SEED=$seed"
  mkdir -p "$WORK/input"
  python3 "$here/compaction.py" "$seed" "$WORK/input" || die "compaction: no input"
  compaction_start_forebay
  compaction_start_kafka
  for side in forebay kafka; do compaction_await_port "$side"; done
  compaction_variant compacted-keeping kept 86400000
  compaction_variant compacted-deleting kept-values 0
  for side in forebay kafka; do
    status=0
    kill -TERM "${compaction_process[$side]}"
    wait "${compaction_process[$side]}" || status=$?
    [[ $side == kafka || $status == 0 ]] || fail "compaction: the node ended with $status"
    unset "compaction_process[$side]"
  done
  compaction_segments compacted-keeping kept
  compaction_segments compacted-deleting kept-values
}
