"""How each program is installed, and the command that starts it.

A client is installed once into a folder of the cache, by the package manager of its language, from
the pinned versions beside its program. The folder's name has a digest of those files, so that a
changed program or version is installed anew and an old checkout keeps its own.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALL_SECONDS = 1500


# How a tool tells its version, where an old one does not do.
LEAST = {
    "go": (["go", "version"], (1, 26)),
    "javac": (["javac", "-version"], (17,)),
    "node": (["node", "--version"], (18,)),
}


class Absent(Exception):
    """A toolchain is not on this machine; the text names it."""


def demand(tool):
    """Raises Absent unless the tool is here and new enough."""
    if tool == "venv":
        if importlib.util.find_spec("ensurepip") is None:
            raise Absent("this Python cannot make virtual environments")
        return
    if shutil.which(tool) is None:
        raise Absent(f"{tool} is not in PATH")
    if tool in LEAST:
        command, least = LEAST[tool]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = tuple(map(int, re.findall(r"\d+", told)[: len(least)]))
        if found < least:
            raise Absent(f"{tool} {'.'.join(map(str, least))} is needed, this is: {told.strip()}")


class Client:
    """One library: where its program lies, what it needs, which protocols it speaks."""

    def __init__(self, name, folder, needs, install, protocols, is_strict=True, leaves_amid_records=True):
        self.name = name
        self.folder = os.path.join(HERE, folder)
        self.needs = needs
        self.steps = install
        self.protocols = protocols
        self.is_strict = is_strict
        self.leaves_amid_records = leaves_amid_records
        self.command = None

    def prepare(self, cache, log):
        """Installs where needed and sets `command`."""
        for tool in self.needs:
            demand(tool)
        place = os.path.join(cache, f"{self.name}-{self.digest()}")
        ready = os.path.join(place, ".ready")
        is_new = not os.path.exists(ready)
        if is_new:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(self.folder, place, ignore=shutil.ignore_patterns("target", "__pycache__"))
        self.command = self.steps(self, place, Steps(place, log, is_new))
        if is_new:
            with open(ready, "w", encoding="ascii"):
                pass

    def digest(self):
        found = hashlib.sha256(self.name.encode())
        for name in sorted(os.listdir(self.folder)):
            path = os.path.join(self.folder, name)
            if os.path.isfile(path):
                found.update(name.encode())
                with open(path, "rb") as file:
                    found.update(file.read())
        return found.hexdigest()[:12]


class Steps:
    """Runs the commands of an installation, or nothing where it has been done."""

    def __init__(self, place, log, is_new):
        self.place = place
        self.log = log
        self.is_new = is_new

    def run(self, *command, **environment):
        if not self.is_new:
            return
        with open(self.log, "ab") as log:
            log.write((" ".join(command) + "\n").encode())
            log.flush()
            done = subprocess.run(
                command,
                cwd=self.place,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(f"'{' '.join(command)}' ended with {done.returncode}: see {self.log}")


def python(program):
    """A virtual environment for one of the programs in `python/`."""

    def install(_client, place, steps):
        steps.run(sys.executable, "-m", "venv", "venv")
        steps.run("venv/bin/pip", "install", "--quiet", "--no-deps", "-r", f"{program}.txt")
        return [os.path.join(place, "venv/bin/python"), os.path.join(place, f"{program}.py")]

    return install


def kcat(_client, place, _steps):
    return [sys.executable, os.path.join(place, "kcat.py")]


def node(_client, place, steps):
    steps.run("npm", "ci", "--silent", "--no-audit", "--no-fund")
    return ["node", os.path.join(place, "member.js")]


def go(_client, place, steps):
    steps.run("go", "build", "-mod=readonly", "-o", "member", ".", GOTOOLCHAIN="local")
    return [os.path.join(place, "member")]


def java(_client, place, steps):
    steps.run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs")
    steps.run("javac", "-cp", "libs/*", "-d", "classes", "Member.java")
    path = os.path.join(place, "classes") + ":" + os.path.join(place, "libs/*")
    # Start-up counts more than speed here.
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "Member"]


def cargo(_client, place, steps):
    target = os.path.join(place, "target")
    steps.run("cargo", "build", "--quiet", "--release", "--locked", CARGO_TARGET_DIR=target)
    return [os.path.join(target, "release/member")]


LIBRDKAFKA = ("classic", "cooperative", "consumer")

CLIENTS = [
    Client("kafkajs", "kafkajs", ["node", "npm"], node, ["classic"], is_strict=False),
    Client("franz-go", "franz-go", ["go"], go, ["classic", "cooperative", "consumer"]),
    Client("kafka-python", "python", ["venv"], python("kafka_python"), ["classic", "cooperative"]),
    Client("aiokafka", "python", ["venv"], python("aio"), ["classic"]),
    Client("confluent-kafka", "python", ["venv"], python("confluent"), LIBRDKAFKA),
    Client("sarama", "sarama", ["go"], go, ["classic"]),
    Client("java", "java", ["javac", "java", "mvn"], java, ["classic", "cooperative", "consumer"]),
    # What kcat holds when it is told to end it commits and does not print.
    Client("kcat", "python", ["kcat"], kcat, ["classic"], leaves_amid_records=False),
    Client("rdkafka", "rdkafka", ["cargo", "cc", "make"], cargo, LIBRDKAFKA),
]
