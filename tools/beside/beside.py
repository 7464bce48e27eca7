#!/usr/bin/env python3
"""Rows of figures that need our own load generator: many clients, many partitions, three readers, long runs.

  beside.py --rounds 5 ROW ...                     this node alone
  beside.py --rounds 5 --peer kafka=CMD ROW ...    and another broker; CMD gets a properties file as last argument
  beside.py --list                                 the rows

Brokers take turns within each round, one runs at a time, each with an empty directory and the same warm-up. The table
has the medians of the rounds and, of two brokers, the ratio first / second; --json keeps every round. Ratios count:
absolute figures are those of one machine at one time.
"""
import argparse, json, os, re, shutil, signal, socket, statistics, subprocess, sys, time

MIB, GIB, TICK = 1 << 20, 1 << 30, os.sysconf("SC_CLK_TCK")
HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = os.path.join(HERE, "..", "..", os.environ.get("CARGO_TARGET_DIR", "target"), "release")
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{control}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
"""


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


class Peer:
    """One broker, in one round."""

    def __init__(self, options, name, command):
        self.options, self.name, self.command = options, name, command
        self.dir = os.path.join(options.dir, "%s.%d" % (name, os.getpid()))
        self.address = "127.0.0.1:%d" % options.port
        self.process = None

    def __enter__(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        text = PROPERTIES.format(port=self.options.port, control=self.options.port + 1, data=self.dir + "/data")
        with open(self.dir + "/server.properties", "w") as file:
            file.write(text + "\n".join(self.options.set) + "\n")
        self.start()
        self.load("-t", "warm-up", "-d", 3, "-w", 0)
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        command = "exec %s %s/server.properties" % (self.command, self.dir)
        log = open(self.dir + "/log", "a")
        self.process = subprocess.Popen(["sh", "-c", command], stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 180
        while subprocess.run([self.options.forebay, "topic", "list", "--brokers", self.address],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("%s does not start: %s" % (self.name, read(self.dir + "/log")[-800:]))
            time.sleep(0.05)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(120)

    def pids(self):
        """All processes of its session: a command may be a script that starts another."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            fields = read("/proc/%s/stat" % pid).rsplit(")", 1)[-1].split()
            if len(fields) > 3 and int(fields[3]) == self.process.pid:
                found.append(pid)
        return found

    def cpu(self):
        """CPU seconds so far."""
        total = 0
        for pid in self.pids():
            fields = read("/proc/%s/stat" % pid).rsplit(")", 1)[-1].split()
            total += int(fields[11]) + int(fields[12]) if fields else 0
        return total / TICK

    def rss_mib(self):
        found = [re.search(r"VmRSS:\s+(\d+)", read("/proc/%s/status" % pid)) for pid in self.pids()]
        return sum(int(match.group(1)) for match in found if match) / 1024

    def command_of_load(self, *words):
        return [self.options.load, "-b", self.address, "--json", *map(str, words)]

    def load(self, *words):
        return self.loads(words)[0]

    def loads(self, *loads):
        """Runs loads side by side; what each of them said, with the node's CPU in the first."""
        before, begun = self.cpu(), time.monotonic()
        running = [subprocess.Popen(self.command_of_load(*words), stdout=subprocess.PIPE, text=True) for words in loads]
        said = [json.loads(process.communicate()[0] or "{}") for process in running]
        said[0]["cpu_s"], said[0]["wall_s"] = self.cpu() - before, time.monotonic() - begun
        for one in said:
            if one.get("errors", {"no": "answer"}):
                say(self.name, "ERRORS", one.get("errors", "no answer"))
        return said

    def topic(self, name, partitions, *configs):
        words = [word for config in configs for word in ("--config", config)]
        subprocess.run([self.options.forebay, "topic", "create", name, "--partitions", str(partitions), "--brokers",
                        self.address, *words], check=True, stdout=subprocess.DEVNULL, timeout=900)


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def tails(flow, prefix=""):
    return {prefix + "%s_us" % name: flow["latency_us"][name] for name in ("p50", "p99", "p99.9")}


def flat_out(said, flow="produce"):
    """Throughput and what it cost; the CPU is that of the whole run, so warm-ups are zero where it counts."""
    done = said[flow]
    return {"mib_s": done["bytes_per_second"] / MIB, "krecords_s": done["records_per_second"] / 1e3,
            "cpu_s_per_gib": said["cpu_s"] / (done["bytes"] / GIB)}


def open_loop(said, flow="produce"):
    done = said[flow]
    return {**tails(done), "krecords_s": done["records_per_second"] / 1e3,
            "cpu_s_per_mrecord": said["cpu_s"] / (done["records"] / 1e6)}


# ---- rows: each gets a running broker and gives figures ------------------------------------------------------------
# As many batches under way as a producer that is not idempotent may have: else the device waits for the generator.
MOST = ("--in-flight", 30)


def keyed(connections):
    def row(peer):
        """Producers that send small batches (1 KiB of 100-byte records) to each of 12 partitions, as fast as they may."""
        peer.topic("keyed", 12)
        return flat_out(peer.load("-t", "keyed", "-p", 12, "-c", connections, "--keyed", "-s", 100, "--batch-bytes", 1024,
                                  "-w", 0, "-d", peer.options.seconds))
    return row


def keyed_rate(connections, linger_ms):
    def row(peer):
        """The same with 20,000 records a second in all, whenever they come."""
        peer.topic("keyed", 12)
        return open_loop(peer.load("-t", "keyed", "-p", 12, "-c", connections, "--keyed", "-s", 100, "--linger-ms", linger_ms,
                                   "-r", 20000, "-w", 0, "-d", peer.options.seconds))
    return row


def trickle(partitions, *more):
    def row(peer):
        """100-byte records to so many partitions: one a second to each, or 20,000 a second, 90 % of them to 1 %."""
        begun = time.monotonic()
        peer.topic("trickle", partitions)
        created = time.monotonic() - begun
        peer.load("-t", "trickle", "-p", partitions, "-c", 16, "-s", 100, "-r", max(partitions, 1000), "-w", 0, "-d", 10)
        rate = more[0] if more else partitions
        said = peer.load("-t", "trickle", "-p", partitions, "-c", 16, "-s", 100, "-r", rate, "-w", 0, *more[1:],
                         "-d", peer.options.seconds)
        return {**open_loop(said), "create_s": created, "rss_mib": peer.rss_mib()}
    return row


def three_readers(peer):
    """Producing flat out, somebody reading the end, somebody else reading 2 GiB that no cache has."""
    fill(peer, "old", 2)
    peer.stop()
    drop_caches()
    peer.start()
    new, old = peer.loads(("-t", "new", "-m", "both", *MOST, "-w", 0, "-d", 8), ("-t", "old", "-m", "consume", "-d", 60))
    return {"produce_mib_s": new["produce"]["bytes_per_second"] / MIB, "cold_mib_s": old["consume"]["bytes_per_second"] / MIB,
            **tails(new["consume"], "end_to_end_"),
            "cpu_s_per_gib": new["cpu_s"] / ((new["produce"]["bytes"] + new["consume"]["bytes"] + old["consume"]["bytes"]) / GIB)}


def fill(peer, topic, gib):
    """Produces until the node has so much."""
    while True:
        peer.load("-t", topic, *MOST, "-w", 0, "-d", 2)
        if size_of(peer.dir) >= gib * GIB:
            return


def consume_again(peer):
    """2 GiB from the beginning, three times: the first reader, and the last one."""
    fill(peer, "read", 2)
    figures = {}
    for turn in ("first", "second", "again"):
        said = flat_out(peer.load("-t", "read", "-m", "consume", "-d", 60), "consume")
        figures.update({turn + "_mib_s": said["mib_s"], turn + "_cpu_s_per_gib": said["cpu_s_per_gib"]})
    return figures


def rate_1000(peer):
    """Open loop of 1,000 records of 256 bytes a second, each sent as soon as it is due."""
    return open_loop(peer.load("-t", "slow", "-s", 256, "-r", 1000, "-w", 3, "-d", 2 * peer.options.seconds))


def half(peer):
    """Open loop of 1 KiB records at half of what the first broker takes at most."""
    maximum = peer.options.maximum
    if not maximum:
        maximum = peer.load("-t", "most", *MOST, "-w", 1, "-d", 8)["produce"]["records_per_second"]
        peer.options.maximum = maximum
    said = peer.load("-t", "half", "-r", int(maximum / 2), "--linger-ms", 5, "-w", 2, "-d", peer.options.seconds)
    return open_loop(said)


def size_of(path):
    """Bytes of files, as far as they are filled."""
    found = [os.path.join(place, name) for place, _, names in os.walk(path) for name in names]
    return sum(os.stat(name).st_blocks * 512 for name in found if os.path.exists(name))


# ---- rows of one broker alone: they print as they go ---------------------------------------------------------------
def by_size(peer):
    """What a byte costs while a log grows: CPU per GiB in each step, up to --gib of log."""
    steps, done = {}, 0
    while done < peer.options.gib * GIB:
        said = peer.load("-t", "grows", *MOST, "-w", 0, "-d", 6)
        figures = flat_out(said)
        done += said["produce"]["bytes"]
        steps["at_%.0f_gib" % (done / GIB)] = figures["cpu_s_per_gib"]
        say("%.1f GiB" % (done / GIB), {key: round(value, 3) for key, value in figures.items()}, "rss %.0f MiB" % peer.rss_mib())
    return steps


def by_partitions(peer):
    """What a byte costs with 1 to 1,000 partitions, batches of 16 KiB."""
    steps = {}
    for partitions in (1, 10, 100, 1000):
        name = "wide%d" % partitions
        peer.topic(name, partitions)
        words = ("-t", name, "-p", partitions, "-c", 4, "-w", 0, "--batch-bytes", 16384)
        peer.load(*words, "-d", 3)
        figures = flat_out(peer.load(*words, "-d", peer.options.seconds))
        steps["cpu_s_per_gib_%d" % partitions], steps["mib_s_%d" % partitions] = figures["cpu_s_per_gib"], figures["mib_s"]
    return steps


def hour(peer):
    """Full load with retention deleting: each minute's tail against the median of the first ten, and memory's slope."""
    peer.topic("hour", 1, "retention.bytes=%d" % (2 * GIB), "segment.bytes=%d" % (256 * MIB))
    p99s, sizes = [], []
    for minute in range(peer.options.minutes):
        said = peer.load("-t", "hour", *MOST, "-w", 0, "-d", 60)
        done = said["produce"]
        p99s.append(done["latency_us"]["p99"])
        sizes.append(peer.rss_mib())
        say("minute %d: %.0f MiB/s, p99 %d us, p99.9 %d us, %.2f CPU s/GiB, RSS %.1f MiB, %.1f GiB on disk, load %s" % (
            minute + 1, done["bytes_per_second"] / MIB, p99s[-1], done["latency_us"]["p99.9"],
            said["cpu_s"] / (done["bytes"] / GIB), sizes[-1], size_of(peer.dir) / GIB, read("/proc/loadavg").split()[0]))
    base = statistics.median(p99s[:10])
    late = sizes[len(sizes) // 6:]
    slope = statistics.linear_regression(range(len(late)), late).slope if len(late) > 1 else 0.0
    return {"p99_us_of_first_ten": base, "worst_minute_over_that": max(p99s) / base,
            "minutes_over_1.5": sum(p99 > 1.5 * base for p99 in p99s), "rss_mib_first": sizes[0], "rss_mib_last": sizes[-1],
            "rss_mib_per_hour": slope * 60}


ROWS = {
    "keyed_50": keyed(50), "keyed_400": keyed(400),
    "keyed_50_linger_0": keyed_rate(50, 0), "keyed_50_linger_5": keyed_rate(50, 5),
    "keyed_400_linger_0": keyed_rate(400, 0), "keyed_400_linger_5": keyed_rate(400, 5),
    "connections_1000": keyed_rate(1000, 0),
    "consume_again": consume_again, "three_readers": three_readers, "rate_1000": rate_1000, "half": half,
    "trickle_100": trickle(100), "trickle_1000": trickle(1000), "trickle_10000": trickle(10000),
    "hot_10000": trickle(10000, 20000, "--hot-percent", 1, "--hot-share", 90),
    "by_size": by_size, "by_partitions": by_partitions, "hour": hour,
}


def table(options, names, results):
    print("\n%d rounds, %d CPUs, kernel %s; medians" % (options.rounds, os.cpu_count(), os.uname().release))
    print("| row | figure | %s%s |" % (" | ".join(names), " | ratio" if len(names) == 2 else ""))
    print("|---|---|%s" % ("---|" * (len(names) + (len(names) == 2))))
    for row in options.rows:
        rounds = results.get(row, {})
        figures = next((one for ones in rounds.values() for one in ones), {})
        for figure in figures:
            values = [[one[figure] for one in rounds.get(name, []) if figure in one] for name in names]
            medians = [statistics.median(value) if value else float("nan") for value in values]
            ratio = " | %.2f" % (medians[0] / medians[1]) if len(names) == 2 and medians[1] else ""
            print("| %s | %s | %s%s |" % (row, figure, " | ".join("%.4g" % median for median in medians), ratio))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--forebay", default=os.path.join(RELEASE, "forebay"), help="this node's binary")
    parser.add_argument("--load", default=os.path.join(RELEASE, "forebay-load"), help="the load generator")
    parser.add_argument("--peer", default="", metavar="NAME=CMD", help="a broker to compare with")
    parser.add_argument("--also", default="", metavar="NAME=CMD", help="another build of this node instead of a peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="how long most rows measure")
    parser.add_argument("--minutes", type=int, default=60, help="of the row hour")
    parser.add_argument("--gib", type=int, default=50, help="of the row by_size")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a property for all brokers")
    parser.add_argument("--dir", default=os.path.expanduser("~/.cache/forebay-beside"), help="where data is kept meanwhile")
    parser.add_argument("--port", type=int, default=22400)
    parser.add_argument("--json", metavar="FILE", help="keep every figure there")
    options = parser.parse_args()
    options.maximum = None
    if options.list:
        for name, row in ROWS.items():
            print("%-20s %s" % (name, row.__doc__))
        return
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown or not options.rows:
        raise SystemExit("which rows? %s; there are: %s" % (" ".join(unknown), " ".join(ROWS)))
    brokers = {"forebay": options.forebay + " serve --config"}
    for other in filter(None, (options.peer, options.also)):
        name, command = other.split("=", 1)
        brokers[name] = command
    results = {}
    for turn in range(options.rounds):
        for row in options.rows:
            for name, command in brokers.items():
                with Peer(options, name, command) as peer:
                    figures = ROWS[row](peer)
                results.setdefault(row, {}).setdefault(name, []).append(figures)
                say("round %d" % (turn + 1), row, name, {key: float("%.4g" % value) for key, value in figures.items()},
                    "load", read("/proc/loadavg").split()[0])
                if options.json:
                    with open(options.json, "w") as file:
                        json.dump(results, file, indent=1)
    table(options, list(brokers), results)


if __name__ == "__main__":
    main()
