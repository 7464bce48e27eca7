# The commands of the binary under test. Sourced by run.sh.
# shellcheck shell=bash

cli_available() {
  [[ -x ${FOREBAY:-} ]] || { skip "cli: FOREBAY names no binary"; return 1; }
}

# cli_write TOPIC FILE CODEC ACKS IDEMPOTENCE
cli_write() {
  "$FOREBAY" produce "$1" --brokers "$BOOTSTRAP" --partition 0 --file "$2" --codec "$3" --acks "$4" --idempotent "$5"
}

# cli_read TOPIC COUNT
cli_read() {
  timeout 120 "$FOREBAY" consume "$1" --brokers "$BOOTSTRAP" --partition 0 --offset beginning --count "$2"
}
