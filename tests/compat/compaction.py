"""Random input for a compacted topic, and what must be left of it. Called by compaction.sh.

compaction.py SEED DIRECTORY writes one file per batch, `batch-<number>.<codec>`, with a line
`<key>|<value>` per record; without a value the record deletes its key. `kept` has what is left
while tombstones stay, `kept-values` what is left once they are gone: `<offset>|<key>|<value>`.
"""

import pathlib
import random
import sys

CODECS = ["none", "none", "none", "gzip", "snappy", "lz4", "zstd"]
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def batches(rng):
    """Lists of (key, value or nothing): some MiB, so that there are several segments."""
    keys = rng.choice([3, 40, 400])
    tombstones = rng.choice([0.02, 0.2, 0.5])
    for number in range(rng.randint(80, 100)):
        batch = []
        for _ in range(rng.choice([1, 5, 25, 25, 60])):
            key = "key-%d" % rng.randrange(keys)
            if rng.random() < tombstones:
                batch.append((key, None))
                continue
            size = rng.choice([1, 100, 4000, 15000])
            text = "".join(rng.choices(LETTERS, k=min(size, 500)))
            batch.append((key, "%d-%s" % (number, text * (size // len(text)))))
        yield rng.choice(CODECS), batch


def main():
    rng = random.Random(int(sys.argv[1]))
    target = pathlib.Path(sys.argv[2])
    offset, last = 0, {}
    for number, (codec, batch) in enumerate(batches(rng)):
        with open(target / ("batch-%03d.%s" % (number, codec)), "w") as out:
            for key, value in batch:
                out.write("%s|%s\n" % (key, value or ""))
                last[key] = (offset, value)
                offset += 1
    kept = sorted((offset, key, value) for key, (offset, value) in last.items())
    for name, is_kept in ("kept", lambda value: True), ("kept-values", lambda value: value is not None):
        with open(target / name, "w") as out:
            for offset, key, value in kept:
                if is_kept(value):
                    out.write("%d|%s|%s\n" % (offset, key, "NULL" if value is None else value))


main()
