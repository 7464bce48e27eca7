"""What the Python programs share: saying and being told."""

import json
import queue
import sys
import threading

KEYS = 40


def say(event, **fields):
    """One line of JSON, at once."""
    sys.stdout.write(json.dumps({"event": event, **fields}, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def say_record(partition, offset, key, value):
    say("record", partition=partition, offset=offset, key=key.decode(), value=value.decode())


def key_of(number):
    return b"key-%d" % (number % KEYS)


def value_of(number):
    return b"%d" % number


def commands():
    """A queue of the words of each line; `leave` at the end of the input."""
    found = queue.Queue()

    def read():
        for line in sys.stdin:
            found.put(line.split())
        found.put(["leave"])

    threading.Thread(target=read, daemon=True).start()
    return found


def next_command(found):
    """The next one, or None when there is none yet."""
    try:
        return found.get_nowait()
    except queue.Empty:
        return None


def sends():
    """The numbers of each `send`, until the input ends."""
    for line in sys.stdin:
        word, first, count = line.split()
        if word != "send":
            raise SystemExit(f"unknown command: {line}")
        yield range(int(first), int(first) + int(count))


def main(create, produce, consume):
    """Starts what the first argument names."""
    word, bootstrap, topic, *rest = sys.argv[1:]
    if word == "create":
        create(bootstrap, topic, int(rest[0]))
        say("created")
    elif word == "produce":
        produce(bootstrap, topic)
    elif word == "consume":
        consume(bootstrap, topic, *rest)
    else:
        raise SystemExit(f"unknown verb: {word}")
