# Apache Kafka's own command line clients. Sourced by run.sh.
# shellcheck shell=bash

java_available() {
  [[ -n ${KAFKA_HOME:-} ]] || { skip "java: KAFKA_HOME is not set"; return 1; }
  [[ -x $KAFKA_HOME/bin/kafka-console-producer.sh ]] || { skip "java: no bin/ in $KAFKA_HOME"; return 1; }
}

# java_write TOPIC FILE CODEC ACKS IDEMPOTENCE
java_write() {
  "$KAFKA_HOME/bin/kafka-console-producer.sh" --bootstrap-server "$BOOTSTRAP" --topic "$1" \
    --command-property "acks=$4" --command-property "enable.idempotence=$5" \
    --command-property "compression.type=$3" --command-property max.request.size=1048588 \
    < "$2" > "$WORK/said" 2>&1 || { cat "$WORK/said" >&2; return 1; }
}

# java_read TOPIC COUNT
java_read() {
  "$KAFKA_HOME/bin/kafka-console-consumer.sh" --bootstrap-server "$BOOTSTRAP" --topic "$1" --partition 0 \
    --offset earliest --max-messages "$2" --timeout-ms 60000 2> "$WORK/said"
}

# ProducerPerformance, and whether the log has all that it counted.
java_performance() {
  local topic=compat-java-performance records=200000
  [[ -z ${QUICK:-} ]] || records=20000
  wait_for_topic "$topic"
  if "$KAFKA_HOME/bin/kafka-producer-perf-test.sh" --bootstrap-server "$BOOTSTRAP" --topic "$topic" \
      --num-records "$records" --record-size 1000 --throughput -1 --command-property acks=all \
      > "$WORK/said" 2>&1; then
    wait_for_end "$topic" "$records"
    pass "java: ProducerPerformance: $(tail -1 "$WORK/said" | cut -d, -f1-3)"
  else
    fail "java: ProducerPerformance: $(tail -3 "$WORK/said")"
  fi
}

# A topic that is made by asking for it, before a client that would wait for it.
wait_for_topic() {
  local patience=100
  while (( patience-- > 0 )); do
    kcat -b "$BOOTSTRAP" -L -t "$1" -X allow.auto.create.topics=true 2>/dev/null | grep -q "with 1 partitions" && return
    sleep 0.1
  done
}
