"""What a broker that has ended leaves in its files, as Kafka's DumpLogSegments reads it.

Every aborted transaction that a log tells of stands in the `.txnindex` beside it, and no other; the last
record of every transactional id is one that has ended; the last offset of every partition of a group is
what the group committed.
"""

import glob
import json
import os
import re

from peers import Failure

# Kafka's numbers for CompleteCommit and CompleteAbort, and Empty.
ENDED = (0, 4, 5)
COMPLAINTS = re.compile(r"isvalid: false|Exception|mismatch|out of order|Non-consecutive|truncated", re.IGNORECASE)


class Files:
    """A directory of logs, and the tool."""

    def __init__(self, tools, data):
        self.tools = tools
        self.data = data

    def dump(self, *options, names):
        """Lines of the tool about some files of the directory."""
        if not names:
            return []
        text = self.tools.run_alone("DumpLogSegments", *options, "--files", ",".join(sorted(names)))
        lines = text.splitlines()
        broken = [line for line in lines if COMPLAINTS.search(line)]
        if broken:
            raise Failure(f"DumpLogSegments complains about {names[0]} and others: {broken[0][:300]}")
        return lines

    def logs(self, topic):
        return [name for name in glob.glob(f"{self.data}/{topic}-[0-9]*/*.log") if os.path.getsize(name)]

    def check_aborted(self, topic):
        """Says how many transactions were aborted in the partitions of a topic."""
        indexed = set()
        for line in self.dump(names=glob.glob(f"{self.data}/{topic}-[0-9]*/*.txnindex")):
            if line.startswith("Dumping "):
                partition = os.path.basename(os.path.dirname(line.split()[1]))
            found = re.search(r"producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+)", line)
            if found:
                indexed.add((partition, *map(int, found.groups())))
        told = self.aborted_in_logs(topic)
        if indexed != told:
            raise Failure(f"{topic}: in .txnindex only: {indexed - told}, in the logs only: {told - indexed}")
        return len(told)

    def aborted_in_logs(self, topic):
        """(partition, producer id, first offset, offset of the marker) of each aborted transaction."""
        aborted, open_since = set(), {}
        for line in self.dump("--print-data-log", names=self.logs(topic)):
            if line.startswith("Dumping "):
                partition = os.path.basename(os.path.dirname(line.split()[1]))
            batch = re.match(r"baseOffset: (\d+) .* producerId: (-?\d+) .* isTransactional: true isControl: (\w+)", line)
            marker = re.match(r"\| offset: (\d+) .*endTxnMarker: (\w+)", line)
            if batch:
                offset, producer = int(batch[1]), int(batch[2])
                if batch[3] == "false":
                    open_since.setdefault((partition, producer), offset)
            elif marker:
                first = open_since.pop((partition, producer), None)
                # A marker without records is none of readers' business.
                if marker[2] == "ABORT" and first is not None:
                    aborted.add((partition, producer, first, int(marker[1])))
        return aborted

    def pairs(self, topic, decoder):
        """Key and value of each record of an inner topic, decoded, in the order of its partitions."""
        for line in self.dump(decoder, names=self.logs(topic)):
            found = re.match(r"\| offset: .* key: (\{.*\}) payload: (.*)$", line)
            if found:
                value = None if found[2] in ("<DELETE>", "null") else json.loads(found[2])["data"]
                yield json.loads(found[1])["data"], value

    def check_transactions(self):
        """Says how many transactional ids there are."""
        last = {}
        for key, value in self.pairs("__transaction_state", "--transaction-log-decoder"):
            last[key["transactionalId"]] = value
        left = {name: value for name, value in last.items() if value and value["transactionStatus"] not in ENDED}
        if left:
            raise Failure(f"transactions that have not ended by the log: {left}")
        return len(last)

    def check_offsets(self, group, due):
        """`due`: offset by topic and partition."""
        last = {}
        for key, value in self.pairs("__consumer_offsets", "--offsets-decoder"):
            if key.get("group") == group and "topic" in key and value:
                last[(key["topic"], key["partition"])] = value["offset"]
        if last != due:
            raise Failure(f"the log of {group}'s offsets ends with {last}, expected {due}")
