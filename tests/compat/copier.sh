# Kafka's TransactionalMessageCopier, killed together with the broker. Sourced by run.sh.
# shellcheck shell=bash

# Sizes of the long form; COPIER_RECORDS and so on say otherwise.
copier_all() {
  local here mode own=()
  here=$(dirname "${BASH_SOURCE[0]}")/transactions
  killed_available copier || return 0
  [[ -z ${FOREBAY:-} ]] || own+=(--forebay "$FOREBAY")
  [[ -n ${SERVE:-} ]] || own+=(--data FOLDER/data)
  for mode in assigned group; do
    [[ $mode == assigned ]] || own+=(--group-mode --aborts)
    killed_run copier "$here/copier.py" "${own[@]}" \
      --records "${COPIER_RECORDS:-100000}" --transaction-size "${COPIER_TRANSACTION:-750}" \
      --copier-kills "${COPIER_KILLS:-3}" --broker-kills "${COPIER_BROKER_KILLS:-5}"
  done
}
