# Client libraries in groups, by the programs and the harness in clients/. Sourced by run.sh.
# shellcheck shell=bash

# clients_all: with a node of its own that the harness restarts, or with a broker that RESTART restarts.
clients_all() {
  local here address counts right wrong left
  here=$(dirname "${BASH_SOURCE[0]}")/clients
  command -v python3 >/dev/null || { skip "clients: python3 is not in PATH"; return; }
  local options=(--folder "$WORK/clients" ${QUICK:+--quick})
  if [[ -n ${RESTART:-} ]]; then
    options+=(--bootstrap "$BOOTSTRAP" --restart "$RESTART")
  elif [[ -n $DATA ]]; then
    address=127.0.0.1:$(free_port)
    # Members of the second protocol learn of changes with their heartbeats: the default of 5 s would be waited for.
    options+=(--bootstrap "$address" --serve "$FOREBAY serve --set log.dirs=$WORK/clients-data \
      --set listeners=PLAINTEXT://$address --set group.consumer.heartbeat.interval.ms=500 \
      --set group.consumer.min.heartbeat.interval.ms=500 --set num.partitions=4")
  else
    skip "clients: RESTART gives no command that restarts $BOOTSTRAP"
    return
  fi
  counts=$("$here/run.py" "${options[@]}") || true
  read -r right wrong left <<< "${counts:-0 1 0}"
  passed=$((passed + right)) failed=$((failed + wrong)) skipped=$((skipped + left))
}
