# Kafka's DumpLogSegments over our files, once the node has ended. Sourced by run.sh.
# shellcheck shell=bash

# What the tool prints when it is not content; it ends with 0 all the same.
complaints='isvalid: false|Found timestamp mismatch|Found out of order timestamp|mismatch in|Mismatches in|truncated|Exception|Index sanity check failed|crc is invalid|invalid|is followed by'

segments_all() {
  # The tool begins to count at -1 in every file, so it finds a gap at the begin of all segments but the first, Kafka's
  # own too.
  segments_read segments '^ +-1 is followed by' < <(segment_files)
  segments_records
}

# segments_read LABEL USUAL: the tool reads the files named in the input and complains of nothing but what is USUAL.
segments_read() {
  local label=$1 usual=$2 file kind flags count=0 bad=0
  while IFS= read -r file; do
    case $file in
      *.log) kind=log; flags=(--deep-iteration) ;;
      *.index) kind=index; flags=(--verify-index-only) ;;
      *.timeindex) kind="time index"; flags=() ;;
      *) continue ;;
    esac
    [[ -s $file ]] || continue
    count=$((count + 1))
    if ! "$KAFKA_HOME/bin/kafka-dump-log.sh" "${flags[@]}" --files "$file" > "$WORK/dump" 2>&1; then
      bad=$((bad + 1)); fail "$label: the tool fails on ${file#"$WORK"/}: $(tail -2 "$WORK/dump" | xargs)"
    elif grep -Ei "$complaints" "$WORK/dump" | grep -vE "$usual" > "$WORK/said"; then
      bad=$((bad + 1)); fail "$label: $kind ${file#"$WORK"/}: $(head -1 "$WORK/said" | cut -c1-200)"
    fi
  done
  if (( count == 0 )); then fail "$label: there are no segments"
  elif (( bad == 0 )); then pass "$label: DumpLogSegments reads $count files without complaint"; fi
}

# In the short form one topic per writer, else all.
segment_files() {
  if [[ -n ${QUICK:-} ]]; then
    find "$DATA" -path '*/compat-lines-*' -type f | sort | head -9
  else
    find "$DATA" -path '*/compat-*' -type f | sort
  fi
}

# The values that the tool prints must be those that were written.
segments_records() {
  local writer files
  for writer in "${writers[@]}"; do
    files=$(find "$DATA/compat-lines-$writer-0" -name '*.log' | sort | paste -sd,)
    "$KAFKA_HOME/bin/kafka-dump-log.sh" --print-data-log --files "$files" 2>/dev/null \
      | sed -n 's/.* payload: //p' > "$WORK/found"
    same "segments: --print-data-log of what $writer wrote" "$WORK/lines-$writer" "$WORK/found"
  done
}
