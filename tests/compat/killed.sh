# Other people's programs on a node that is killed: what copier.sh and streams.sh share. Sourced by run.sh.
# shellcheck shell=bash

# killed_available NAME
killed_available() {
  local name=$1
  [[ -z ${QUICK:-} ]] || { skip "$name: not in the short form, it takes minutes"; return 1; }
  command -v python3 >/dev/null || { skip "$name: python3 is not in PATH"; return 1; }
  [[ -n ${KAFKA_HOME:-} ]] || { skip "$name: KAFKA_HOME is not set"; return 1; }
  [[ -x $KAFKA_HOME/bin/kafka-run-class.sh ]] || { skip "$name: no bin/kafka-run-class.sh in $KAFKA_HOME"; return 1; }
  [[ -n ${SERVE:-} || -n $DATA ]] || { skip "$name: SERVE gives no command that runs $BOOTSTRAP"; return 1; }
}

# killed_run NAME PROGRAM ARGUMENTS...: on a fresh node of our own, or on what SERVE runs at BOOTSTRAP. The program kills
# it and runs it again. FOLDER in an argument stands for the folder of the run.
killed_run() {
  local name=$1 program=$2 counts right wrong left address folder serve
  shift 2
  folder=$(mktemp -d "$WORK/$name-XXXX")
  if [[ -n ${SERVE:-} ]]; then
    address=$BOOTSTRAP serve=$SERVE
  else
    address=127.0.0.1:$(free_port)
    serve="$FOREBAY serve --set log.dirs=$folder/data --set listeners=PLAINTEXT://$address \
      --set forebay.admin.listeners=127.0.0.1:$(free_port)"
  fi
  counts=$("$program" --bootstrap "$address" --serve "$serve" --kafka-home "$KAFKA_HOME" \
    --folder "$folder" "${@//FOLDER/$folder}" | tail -1) || true
  read -r right wrong left <<< "${counts:-0 1 0}"
  passed=$((passed + right)) failed=$((failed + wrong)) skipped=$((skipped + left))
}
