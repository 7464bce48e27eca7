# Apache Kafka's own command line tools: what an operator does to a node with them, and what they print about it.
# Sourced by run.sh.
# shellcheck shell=bash

tools_available() {
  [[ -z ${QUICK:-} ]] || { skip "tools: not in the short form, each of them starts a Java machine"; return 1; }
  [[ -n ${KAFKA_HOME:-} ]] || { skip "tools: KAFKA_HOME is not set"; return 1; }
  [[ -x $KAFKA_HOME/bin/kafka-topics.sh ]] || { skip "tools: no bin/ in $KAFKA_HOME"; return 1; }
}

tool_status=0

# tool NAME ARGS...: runs kafka-NAME.sh. What it printed is in $WORK/said, with one space where it had more or a tab.
tool() {
  local name=$1
  shift
  tool_status=0
  timeout 180 "$KAFKA_HOME/bin/kafka-$name.sh" --bootstrap-server "$BOOTSTRAP" "$@" \
    > "$WORK/said.raw" 2>&1 < /dev/null || tool_status=$?
  tr -s ' \t' ' ' < "$WORK/said.raw" | sed 's/^ //; s/ $//' > "$WORK/said"
}

# said LABEL PATTERN...: each pattern is a whole line of what the tool printed; one that begins with ! is none.
said() {
  local label="tools: $1" pattern
  shift
  for pattern in "$@"; do
    if [[ $pattern == !* ]]; then
      ! grep -qxE -e "${pattern#!}" "$WORK/said" || { tool_fails "$label: there is a line '${pattern#!}'"; return; }
    else
      grep -qxE -e "$pattern" "$WORK/said" || { tool_fails "$label: no line '$pattern'"; return; }
    fi
  done
  pass "$label"
}

tool_fails() {
  fail "$1; it ended with $tool_status and printed:"
  grep -v '^at ' "$WORK/said" | head -20 | cut -c1-300 | sed 's/^/        /' >&2
}

# does LABEL PATTERN...: the tool ended with 0, and said so. Some end with 0 whatever happened, so there are patterns.
does() {
  if (( tool_status == 0 )); then said "$@"; else tool_fails "tools: $1: it failed"; fi
}

# refuses LABEL PATTERN...: the tool ended with another code than 0, and said why.
refuses() {
  if (( tool_status != 0 )); then said "$@"; else tool_fails "tools: $1: it should fail"; fi
}

# events LABEL WORDS...: for each there is a line with all of these words, in whatever order the tool wrote its JSON.
events() {
  local label="tools: $1" words word found
  shift
  for words in "$@"; do
    found=$(cat "$WORK/said")
    for word in $words; do
      found=$(grep -F -e "$word" <<< "$found") || { tool_fails "$label: no line with $words"; return; }
    done
  done
  if (( tool_status == 0 )); then pass "$label"; else tool_fails "$label: it failed"; fi
}

# tools_await PATTERN NAME ARGS...: until the tool prints such a line, for what is known a little later.
tools_await() {
  local pattern=$1 patience=20
  shift
  while (( patience-- > 0 )); do
    tool "$@"
    ! grep -qxE -e "$pattern" "$WORK/said" || return 0
    sleep 0.5
  done
}

# The classes of a tool in an archive that the others map: each starts in half the time.
tools_archive() {
  local archive=$WORK/classes.jsa
  JAVA_TOOL_OPTIONS="-XX:ArchiveClassesAtExit=$archive" tool configs --describe --entity-type topics
  [[ ! -s $archive ]] || export JAVA_TOOL_OPTIONS="-XX:SharedArchiveFile=$archive"
}

tools_topics() {
  local t=$1 row='Leader: [0-9]+ Replicas: [0-9]+ Isr: [0-9]+ Elr: LastKnownElr:'
  tool topics --create --topic "$t" --partitions 2 --replication-factor 1 --config retention.ms=3600000
  does "topics: create" "Created topic $t\."
  tool topics --create --topic "$t"
  refuses "topics: create a second time" "Error while executing topic command : Topic '$t' already exists\."
  tool topics --list
  does "topics: list" "$t"
  tool topics --alter --topic "$t" --partitions 4
  does "topics: alter partitions"
  tool topics --alter --topic "$t" --partitions 3
  refuses "topics: fewer partitions" ".* The topic $t currently has 4 partition\(s\); 3 would not be an increase\."
  tool topics --describe --topic "$t"
  does "topics: describe" \
    "Topic: $t TopicId: [A-Za-z0-9_-]{22} PartitionCount: 4 ReplicationFactor: 1 Configs: (.*,)?retention\.ms=3600000(,.*)?" \
    "Topic: $t Partition: 0 $row" "Topic: $t Partition: 3 $row" "!Topic: $t Partition: 4 .*"
  tool topics --describe --unavailable-partitions
  does "topics: nothing is unavailable" "!.*Partition: .*"
}

tools_topics_deleted() {
  local t=$1
  tool topics --delete --topic "$t"
  does "topics: delete"
  tool topics --list
  does "topics: list without it" "!$t"
  tool topics --delete --topic "$t"
  refuses "topics: delete a second time" "Error while executing topic command : Topic '$t' does not exist as expected"
}

# setting KEY=VALUE SYNONYMS...: how ConfigCommand prints it, as a pattern.
setting() {
  local value=$1 synonyms
  shift
  synonyms=$(printf ', %s' "$@")
  printf '%s sensitive=false synonyms=\\{%s\\}' "$value" "${synonyms#, }"
}

tools_configs_topic() {
  local t=$1
  tool configs --alter --entity-type topics --entity-name "$t" \
    --add-config 'segment.ms=7200000,cleanup.policy=[compact,delete]'
  does "configs: alter a topic" "Completed updating config for topic $t\."
  tool configs --describe --topic "$t"
  does "configs: describe a topic" "Dynamic configs for topic $t are:" \
    "$(setting cleanup.policy=compact,delete \
      DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete DEFAULT_CONFIG:log.cleanup.policy=delete)" \
    "$(setting segment.ms=7200000 DYNAMIC_TOPIC_CONFIG:segment.ms=7200000)"
  tool configs --alter --topic "$t" --delete-config cleanup.policy,segment.ms
  does "configs: take a topic's back" "Completed updating config for topic $t\."
  tool configs --describe --topic "$t" --all
  does "configs: describe all of a topic" "All configs for topic $t are:" \
    "$(setting cleanup.policy=delete DEFAULT_CONFIG:log.cleanup.policy=delete)" \
    "$(setting segment.ms=604800000 '')" \
    "$(setting max.message.bytes=1048588 DEFAULT_CONFIG:message.max.bytes=1048588)"
  tool configs --alter --topic "$t" --add-config retention.ms=soon
  refuses "configs: a value that is none" ".*Invalid value soon for configuration retention\.ms: Not a number of type LONG"
  tool configs --alter --topic "$t" --add-config no.such.key=1
  refuses "configs: a key that is none" ".*Unknown topic config name: no\.such\.key"
}

# tools_configs_broker ID
tools_configs_broker() {
  local id=$1
  tool configs --alter --broker "$id" --add-config log.cleaner.threads=2
  does "configs: alter a broker" "Completed updating config for broker $id\."
  tools_await 'log\.cleaner\.threads=2 .*' configs --describe --broker "$id"
  does "configs: describe a broker" "Dynamic configs for broker $id are:" \
    "$(setting log.cleaner.threads=2 DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2 DEFAULT_CONFIG:log.cleaner.threads=1)"
  tool configs --alter --broker "$id" --delete-config log.cleaner.threads
  does "configs: take a broker's back" "Completed updating config for broker $id\."
  tool configs --alter --broker-defaults --add-config log.retention.ms=86400000
  does "configs: alter all brokers" "Completed updating default config for brokers in the cluster\."
  tools_await 'log\.retention\.ms=86400000 .*' configs --describe --broker-defaults
  does "configs: describe all brokers" \
    "$(setting log.retention.ms=86400000 DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=86400000)"
  tool configs --alter --broker-defaults --delete-config log.retention.ms
  does "configs: take all brokers' back" "Completed updating default config for brokers in the cluster\."
  tools_await 'log\.cleaner\.threads=1 .*' configs --describe --broker "$id" --all
  does "configs: describe all of a broker" "All configs for broker $id are:" \
    "$(setting log.cleaner.threads=1 DEFAULT_CONFIG:log.cleaner.threads=1)" \
    "$(setting log.retention.ms=null '')" "node\.id=$id .*"
  tool configs --alter --broker "$id" --add-config node.id=9
  refuses "configs: what only a restart changes" ".*Cannot update these configs dynamically: \[node\.id\].*"
}

tools_configs_others() {
  local name=$1
  tool configs --alter --group "$name" --add-config consumer.heartbeat.interval.ms=6000
  does "configs: alter a group" "Completed updating config for group $name\."
  tools_await 'consumer\.heartbeat\.interval\.ms=6000 .*' configs --describe --group "$name"
  does "configs: describe a group" "Dynamic configs for group $name are:" \
    "$(setting consumer.heartbeat.interval.ms=6000 \
      DYNAMIC_GROUP_CONFIG:consumer.heartbeat.interval.ms=6000 DEFAULT_CONFIG:group.consumer.heartbeat.interval.ms=5000)"
  tool configs --alter --group "$name" --add-config consumer.session.timeout.ms=1
  refuses "configs: a group's timeout out of bounds" \
    ".*consumer\.session\.timeout\.ms must be greater than or equal to group\.consumer\.min\.session\.timeout\.ms.*"
  tool configs --alter --group "$name" --delete-config consumer.heartbeat.interval.ms
  does "configs: take a group's back" "Completed updating config for group $name\."
  tool configs --alter --client-metrics "$name" --add-config metrics=org.apache.kafka.,interval.ms=30000
  does "configs: alter client metrics" "Completed updating config for client-metric $name\."
  tools_await 'interval\.ms=30000 .*' configs --describe --client-metrics "$name"
  does "configs: describe client metrics" "Dynamic configs for client-metric $name are:" \
    "$(setting interval.ms=30000 DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=30000)" \
    "$(setting metrics=org.apache.kafka. DYNAMIC_CLIENT_METRICS_CONFIG:metrics=org.apache.kafka.)"
  tool client-metrics --list
  does "client-metrics: list" "$name"
  tool client-metrics --alter --name "$name" --interval 60000 --match client_id=someone
  does "client-metrics: alter" "Altered client metrics config for $name\."
  tools_await 'interval\.ms=60000' client-metrics --describe --name "$name"
  does "client-metrics: describe" "Client metrics configs for $name are:" "interval\.ms=60000" \
    "match=client_id=someone" "metrics=org\.apache\.kafka\."
  tool client-metrics --alter --name "$name" --interval 1
  refuses "client-metrics: an interval out of bounds" \
    ".*Invalid value 1 for interval\.ms, interval must be between 100 and 3600000.*"
  tool client-metrics --delete --name "$name"
  does "client-metrics: delete" "Deleted client metrics config for $name\."
  tool client-metrics --list
  does "client-metrics: list without it" "!$name"
}

# tools_configs_users USER: passwords for SCRAM, which the tool salts; only how they were salted is told.
tools_configs_users() {
  local user=$1 told="SCRAM credential configs for user-principal '$1' are"
  tool configs --alter --entity-type users --entity-name "$user" --add-config 'SCRAM-SHA-256=[iterations=8192,password=x]'
  does "configs: set a password" "Completed updating config for user $user\."
  tools_await "$told SCRAM-SHA-256=iterations=8192" configs --describe --entity-type users --entity-name "$user"
  does "configs: describe a password" "$told SCRAM-SHA-256=iterations=8192"
  tool configs --alter --entity-type users --entity-name "$user" --add-config 'SCRAM-SHA-512=[password=x]'
  does "configs: set a second password" "Completed updating config for user $user\."
  tools_await "$told .*SCRAM-SHA-512=iterations=4096.*" configs --describe --user "$user"
  does "configs: describe both" "$told SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096"
  tool configs --describe --entity-type users
  does "configs: describe all users" "$told .*"
  tool configs --alter --user "$user" --add-config 'SCRAM-SHA-256=[iterations=20000,password=x]'
  refuses "configs: too many iterations" ".*Too many iterations.*"
  tool configs --alter --user "$user" --delete-config SCRAM-SHA-256
  does "configs: take a password back" "Completed updating config for user $user\."
  tools_await "$told SCRAM-SHA-512=iterations=4096" configs --describe --user "$user"
  does "configs: describe without it" "$told SCRAM-SHA-512=iterations=4096"
  tool configs --alter --user "$user" --delete-config SCRAM-SHA-256
  refuses "configs: take back what is not there" ".*Attempt to delete a user credential that does not exist.*"
  tool configs --alter --user "$user" --delete-config SCRAM-SHA-512
  does "configs: take the last one back" "Completed updating config for user $user\."
}

# tools_cluster ID
tools_cluster() {
  local id=$1 feature='SupportedMinVersion: [^ ]+ SupportedMaxVersion: .* FinalizedVersionLevel: .* Epoch: [0-9]+'
  said "broker-api-versions" "$BOOTSTRAP \(id: $id rack: [^ ]+ isFenced: false\) -> \(" \
    "Produce\(0\): .*\[usable: 13\],?" "Fetch\(1\): .*\[usable: 18\],?" "ApiVersions\(18\): .*\[usable: [45]\],?" \
    "ConsumerGroupHeartbeat\(68\): .*\[usable: 1\],?" "\)"
  tool features describe
  does "features: describe" \
    "Feature: group\.version SupportedMinVersion: 0 SupportedMaxVersion: 1 FinalizedVersionLevel: 1 Epoch: [0-9]+" \
    "Feature: metadata\.version $feature" "Feature: transaction\.version $feature"
  tool features upgrade --feature group.version=1
  does "features: upgrade to what is" "group\.version was upgraded to 1\."
  tool metadata-quorum describe --status
  does "metadata-quorum: status" "ClusterId: [A-Za-z0-9_-]{22}" "LeaderId: $id" "LeaderEpoch: [1-9][0-9]*" \
    "HighWatermark: [1-9][0-9]*" "MaxFollowerLag: 0" "MaxFollowerLagTimeMs: 0" \
    "CurrentVoters: \[\{\"id\": $id, .*" "CurrentObservers: \[\]"
  tool metadata-quorum describe --replication
  does "metadata-quorum: replication" "NodeId DirectoryId LogEndOffset Lag LastFetchTimestamp LastCaughtUpTimestamp Status" \
    "$id [A-Za-z0-9_-]{22} [1-9][0-9]* 0 [0-9]{13} [0-9]{13} Leader"
}

# tools_log_dirs ID TOPIC: after records were written to the topic's first partition.
tools_log_dirs() {
  local id=$1 t=$2
  tool log-dirs --describe --topic-list "$t" --broker-list "$id"
  does "log-dirs: describe" "Querying brokers for log directories information" \
    "Received log directory information from brokers $id" \
    "\{\"brokers\":\[\{\"broker\":$id,\"logDirs\":\[\{\"partitions\":\[.*\"partition\":\"$t-0\",\"size\":[1-9][0-9]*,\"offsetLag\":0,.*\"error\":null,\"logDir\":\"/.*"
}

# tools_offsets TOPIC: one partition with the offsets 0 to 99, of which the first 10 are deleted here.
tools_offsets() {
  local t=$1
  tool get-offsets --topic "$t"
  does "get-offsets: latest" "$t:0:100"
  echo "{\"partitions\":[{\"topic\":\"$t\",\"partition\":0,\"offset\":10}],\"version\":1}" > "$WORK/records.json"
  tool delete-records --offset-json-file "$WORK/records.json"
  does "delete-records" \
    "Executing records delete operation" "Records delete operation completed:" "partition: $t-0 low_watermark: 10"
  echo "{\"partitions\":[{\"topic\":\"$t\",\"partition\":0,\"offset\":1000}],\"version\":1}" > "$WORK/records.json"
  tool delete-records --offset-json-file "$WORK/records.json"
  said "delete-records: beyond the end" "partition: $t-0 error: .*OffsetOutOfRangeException.*"
  tool get-offsets --topic-partitions "$t:0" --time earliest
  does "get-offsets: earliest" "$t:0:10"
  tool get-offsets --topic "$t" --time max-timestamp
  does "get-offsets: greatest timestamp" "$t:0:[1-9][0-9]"
  tool get-offsets --topic "$t" --time 1
  does "get-offsets: by time" "$t:0:10"
}

# tools_load TOPIC GROUP: both performance tools and the one that measures the way there and back.
tools_load() {
  local t=$1 group=$2 records=50000 sum
  tool producer-perf-test --topic "$t" --num-records "$records" --record-size 100 --throughput -1
  does "producer-perf-test" "$records records sent, [0-9.]+ records/sec .*, [0-9.]+ ms avg latency, .* 99\.9th\."
  tool get-offsets --topic "$t"
  sum=$(awk -F: -v topic="$t" '$1 == topic { sum += $3 } END { print sum }' "$WORK/said")
  if [[ $sum == "$records" ]]; then
    pass "tools: get-offsets counts what was sent"
  else
    tool_fails "tools: get-offsets counts ${sum:-nothing}, not $records"
  fi
  tool consumer-perf-test --topic "$t" --group "$group" --num-records "$records" --timeout 60000
  does "consumer-perf-test" "start\.time, end\.time, data\.consumed\.in\.MB, .*" \
    "[0-9: -]+, [0-9: -]+, [0-9.]+, [0-9.]+, $records, .*"
  tool e2e-latency --topic "$t-e2e" --num-records 1000 --producer-acks all --record-size 100
  does "e2e-latency" "Avg latency: [0-9.]+ ms" "Percentiles: 50th = [0-9]+, 99th = [0-9]+, 99\.9th = [0-9]+"
}

# tools_verifiable TOPIC GROUP: 100 records in order, and read by a group of each protocol.
tools_verifiable() {
  local t=$1 group=$2 protocol
  tool verifiable-producer --topic "$t" --max-messages 100 --acks -1
  events "verifiable-producer" '"startup_complete"' \
    "\"producer_send_success\" \"value\":\"0\" \"offset\":0 \"topic\":\"$t\" \"partition\":0" \
    "\"producer_send_success\" \"value\":\"99\" \"offset\":99 \"topic\":\"$t\" \"partition\":0" \
    '"tool_data" "sent":100 "acked":100'
  for protocol in classic consumer; do
    tool verifiable-consumer --topic "$t" --group-id "$group-$protocol" --max-messages 100 \
      --reset-policy earliest --group-protocol "$protocol"
    events "verifiable-consumer, $protocol" "\"partitions_assigned\" \"topic\":\"$t\" \"partition\":0" \
      '"records_consumed" "maxOffset":99' \
      "\"offsets_committed\" \"topic\":\"$t\" \"offset\":100 \"success\":true" '"shutdown_complete"'
  done
}

# tools_groups TOPIC GROUP: groups that tools_verifiable left empty, with 90 records of which the first has offset 10.
tools_groups() {
  local t=$1 group=$2-classic none="Consumer group '$2-classic' has no active members\."
  tool consumer-groups --list --state
  does "consumer-groups: list with states" "GROUP STATE" "$group Empty" "$2-consumer Empty"
  tool consumer-groups --list --type
  does "consumer-groups: list with types" "GROUP TYPE" "$group Classic" "$2-consumer Consumer"
  tool consumer-groups --list --state Stable
  does "consumer-groups: list of one state" "!$group Empty"
  tool consumer-groups --describe --group "$group" --offsets
  does "consumer-groups: offsets" "$none" \
    "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID" "$group $t 0 100 100 0 - - -"
  tool consumer-groups --describe --group "$group" --state
  does "consumer-groups: state" "$none" "$group [^ ]+ \([0-9]+\) - Empty 0"
  tool consumer-groups --describe --group "$group-none"
  said "consumer-groups: one that is none" ".*Group $group-none not found\.?"
}

# resets LABEL TOPIC GROUP OFFSET ARGS...: the place that the tool would move the group to.
resets() {
  local label="consumer-groups: reset $1" t=$2 group=$3 offset=$4
  shift 4
  tool consumer-groups --reset-offsets --group "$group" "$@"
  does "$label" "(GROUP )?TOPIC PARTITION NEW-OFFSET" "($group )?$t 0 $offset"
}

tools_resets() {
  local t=$1 group=$2
  resets "to earliest" "$t" "$group" 10 --topic "$t" --to-earliest --dry-run
  resets "to latest" "$t" "$group" 100 --topic "$t" --to-latest --dry-run
  resets "by shift" "$t" "$group" 70 --topic "$t:0" --shift-by -30 --dry-run
  resets "by shift beyond the end" "$t" "$group" 100 --topic "$t" --shift-by 1000 --dry-run
  resets "to a time" "$t" "$group" 10 --all-topics --to-datetime 2020-01-01T00:00:00.000 --dry-run
  resets "by duration" "$t" "$group" 10 --topic "$t" --by-duration PT12H --dry-run
  resets "to an offset, done" "$t" "$group" 42 --topic "$t" --to-offset 42 --execute
  resets "to the current" "$t" "$group" 42 --all-topics --to-current --dry-run
  echo "$t,0,77" > "$WORK/plan.csv"
  resets "from a file, done" "$t" "$group" 77 --from-file "$WORK/plan.csv" --execute
  tool consumer-groups --describe --group "$group"
  does "consumer-groups: describe after resets" "$group $t 0 77 100 23 - - -"
  tool consumer-groups --delete-offsets --group "$group" --topic "$t:0"
  does "consumer-groups: delete offsets" "TOPIC PARTITION STATUS" "$t 0 Successful"
  tool consumer-groups --describe --group "$group" --offsets
  said "consumer-groups: describe without offsets" "!$group $t .*"
  tool consumer-groups --delete --group "$group"
  does "consumer-groups: delete" "Deletion of requested consumer groups \('$group'\) was successful\."
  tool consumer-groups --list
  does "consumer-groups: list without it" "!$group"
}

# tools_members TOPIC GROUP PROTOCOL: a group with a member.
tools_members() {
  local t=$1 group=$2 protocol=$3 who member assignor=range
  [[ $protocol == classic ]] || assignor=uniform
  "$KAFKA_HOME/bin/kafka-console-consumer.sh" --bootstrap-server "$BOOTSTRAP" --topic "$t" --group "$group" --from-beginning \
    --command-property "group.protocol=$protocol" --command-property client.id=tools > "$WORK/consumed" 2>&1 &
  member=$!
  who="[^ ]+ /[0-9.:a-f]+ tools"
  tools_await "$group $t 0 100 100 0 $who" consumer-groups --describe --group "$group"
  does "consumer-groups, $protocol: describe with a member" "$group $t 0 100 100 0 $who"
  tool consumer-groups --describe --group "$group" --members --verbose
  does "consumer-groups, $protocol: members" \
    "GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS .*" "$group $who 1 ([0-9]+|-) $t:0 ([0-9]+|-) ($t:0|-)"
  tool consumer-groups --describe --group "$group" --state
  does "consumer-groups, $protocol: state" "$group [^ ]+ \([0-9]+\) $assignor Stable 1"
  tool consumer-groups --reset-offsets --group "$group" --topic "$t" --to-earliest --execute
  said "consumer-groups, $protocol: no reset under a member" \
    ".*Assignments can only be reset if the group '$group' is inactive, but the current state is Stable\."
  tool consumer-groups --delete-offsets --group "$group" --topic "$t"
  said "consumer-groups, $protocol: no offset is deleted under a member" "$t 0 Error: .*"
  tool consumer-groups --delete --group "$group"
  said "consumer-groups, $protocol: a group with a member stays" ".*Group '$group' could not be deleted due to: .*"
  kill -TERM "$member"
  wait "$member" || true
}

# tools_acls TOPIC: lists are added, told, obeyed and taken out. They are about topics with names of their own, and need a
# broker with an authorizer that leaves open what no list is about.
tools_acls() {
  local t=$1-acl who='principal=User:alice, host=\*' mallory
  mallory='\(principal=User:mallory, host=10\.1\.1\.1, operation=READ, permissionType=DENY\)'
  tool acls --list
  if grep -qF SecurityDisabledException "$WORK/said"; then
    skip "tools: acls: the broker has no authorizer"
    return
  fi
  tool acls --add --allow-principal User:alice --producer --topic "$t"
  does "acls: add" "Adding ACLs for resource .ResourcePattern\(resourceType=TOPIC, name=$t, patternType=LITERAL\).:" \
    "\($who, operation=WRITE, permissionType=ALLOW\)" "\($who, operation=CREATE, permissionType=ALLOW\)"
  tool acls --list --topic "$t"
  does "acls: list" "Current ACLs for resource .ResourcePattern\(resourceType=TOPIC, name=$t, patternType=LITERAL\).:" \
    "\($who, operation=DESCRIBE, permissionType=ALLOW\)"
  tool acls --add --deny-principal User:mallory --deny-host 10.1.1.1 --operation Read --topic "$t-" \
    --resource-pattern-type prefixed
  does "acls: add a prefix" "$mallory"
  tool acls --list --topic "$t-x" --resource-pattern-type match
  does "acls: list what applies to a name" "$mallory" "!\($who, .*"
  tool verifiable-producer --topic "$t" --max-messages 1 --acks -1
  said "acls: who is not on the list may not write" '.*TopicAuthorizationException.*'
  tool acls --remove --topic "$t" --force
  does "acls: remove"
  tool acls --list --topic "$t" --resource-pattern-type any
  does "acls: list without them" "!\($who, .*"
  tool verifiable-producer --topic "$t" --max-messages 1 --acks -1
  events "acls: without a list everybody may write" '"tool_data" "sent":1 "acked":1'
  tool acls --remove --topic "$t-" --resource-pattern-type prefixed --force
  does "acls: remove a prefix"
  tool acls --list --principal User:alice
  does "acls: list of one principal" "ACLs for principal .User:alice." "!\(.*"
}

tools_all() {
  local t=compat-tools-$$ id
  local JAVA_TOOL_OPTIONS=${JAVA_TOOL_OPTIONS:-}
  tools_archive
  tool broker-api-versions
  id=$(sed -nE 's/^[^ ]+ \(id: ([0-9]+) .*/\1/p' "$WORK/said" | head -1)
  [[ -n $id ]] || { tool_fails "tools: broker-api-versions names no broker"; return; }
  tools_cluster "$id"
  tools_topics "$t"
  tools_configs_topic "$t"
  tools_configs_broker "$id"
  tools_configs_others "$t"
  tools_configs_users "$t"
  tools_acls "$t"
  tools_load "$t" "$t-load"
  wait_for_topic "$t-few"
  tools_verifiable "$t-few" "$t"
  tools_offsets "$t-few"
  tools_log_dirs "$id" "$t-few"
  tools_groups "$t-few" "$t"
  tools_resets "$t-few" "$t-classic"
  tools_members "$t-few" "$t-live-classic" classic
  tools_members "$t-few" "$t-live-consumer" consumer
  tools_topics_deleted "$t"
}
