# Kafka Streams and Kafka Connect with exactly-once, killed together with the broker. Sourced by run.sh.
# shellcheck shell=bash

# Sizes of the long form; STREAMS_RECORDS and so on say otherwise.
streams_all() {
  local here own=()
  here=$(dirname "${BASH_SOURCE[0]}")/transactions
  killed_available streams || return 0
  killed_run streams "$here/streams.py" \
    --records "${STREAMS_RECORDS:-1000000}" --per-second "${STREAMS_PER_SECOND:-20000}" \
    --instance-kills "${STREAMS_KILLS:-6}" --broker-kills "${STREAMS_BROKER_KILLS:-5}"
  [[ -n ${SERVE:-} ]] || own+=(--data FOLDER/data)
  killed_run connect "$here/connect.py" "${own[@]}" --records "${CONNECT_RECORDS:-50000}" \
    --worker-kills "${CONNECT_KILLS:-3}" --broker-kills "${CONNECT_BROKER_KILLS:-3}" --port "$(free_port)"
}
