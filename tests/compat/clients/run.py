#!/usr/bin/env python3
"""Takes every client through the life of a group; README.md beside this file says what that is.

Lines about results go to standard error; the last line of standard output is `passed failed skipped`.
"""

import argparse
import os
import shutil
import sys
import tempfile

from harness import Broker, Failure
from installed import CLIENTS, Absent
from life import Life

# In the short form: no compiler but Go's, and one client for each form of the group protocol.
QUICK = [("kafkajs", "classic"), ("franz-go", "cooperative"), ("franz-go", "consumer")]


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--serve", help="runs the broker in the foreground; the harness restarts it")
    parser.add_argument("--restart", help="restarts a broker that runs already, for the shell")
    parser.add_argument("--kill", action="store_true", help="restart by SIGKILL, with --serve only")
    parser.add_argument("--only", action="append", help="CLIENT or CLIENT:PROTOCOL; repeatable")
    parser.add_argument("--records", type=int, help="records per chapter of the life")
    parser.add_argument("--quick", action="store_true", help="few clients, few records")
    parser.add_argument("--folder", help="where traces go; kept")
    found = parser.parse_args()
    if bool(found.serve) == bool(found.restart):
        parser.error("give either --serve or --restart")
    return found


def chosen(options):
    """Pairs of client and protocol."""
    known = [(client, protocol) for client in CLIENTS for protocol in client.protocols]
    if options.only:
        return [
            (client, protocol)
            for client, protocol in known
            if client.name in options.only or f"{client.name}:{protocol}" in options.only
        ]
    if options.quick:
        return [pair for pair in known if (pair[0].name, pair[1]) in QUICK]
    return known


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("FOREBAY_COMPAT_CACHE") or os.path.join(base, "forebay-compat")


class Count:
    passed = failed = skipped = 0


def install(pairs, folder):
    """Prepares each client once; returns the pairs that can be run."""
    usable, refused = [], set()
    for client, protocol in pairs:
        if client in refused:
            continue
        if client.command is None:
            log = os.path.join(folder, f"{client.name}-install.log")
            try:
                client.prepare(cache(), log)
            except Absent as absent:
                say(f"  skip  {client.name}: {absent}")
                Count.skipped += 1
                refused.add(client)
                continue
            except (RuntimeError, OSError) as failure:
                say(f"  FAIL  {client.name}: it cannot be installed: {failure}")
                Count.failed += 1
                refused.add(client)
                continue
        usable.append((client, protocol))
    return usable


def run(options, folder):
    log = os.path.join(folder, "broker.log")
    broker = Broker(options.bootstrap, options.serve, options.restart, log, options.kill)
    usable = install(chosen(options), folder)
    records = options.records or (100 if options.quick else 1000)
    try:
        broker.start()
        for client, protocol in usable:
            name = f"{client.name}, {protocol}"
            try:
                say(f"  ok    {name}: {Life(client, protocol, broker, folder, records).run()}")
                Count.passed += 1
            except Failure as failure:
                say(f"  FAIL  {name}: {failure}")
                Count.failed += 1
        broker.stop()
    except Failure as failure:
        say(f"  FAIL  {failure}")
        Count.failed += 1
    finally:
        if broker.process:
            broker.process.kill()


def main():
    options = arguments()
    folder = options.folder or tempfile.mkdtemp(prefix="forebay-clients-")
    os.makedirs(folder, exist_ok=True)
    run(options, folder)
    if Count.failed or options.folder:
        say(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(Count.passed, Count.failed, Count.skipped)
    return 1 if Count.failed else 0


sys.exit(main())
