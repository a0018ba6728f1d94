#!/usr/bin/env python3
"""Real input: Debian's own package index, through every door, and a kill in the middle.

1. `apt-cache dumpavail` is split into stanzas (package name and version -> stanza), some 60,000 of them.
2. `kvs import` loads them as JSON lines into a directory; `kvs export` gives every one back, byte for byte.
3. `redis-cli --pipe` loads them into a server in the mass-insertion format; each is read back over RESP.
4. A second load is sent over a connection of our own, which notes each acknowledgement; in the middle of it the server is killed
   with SIGKILL and started again; every acknowledged record must be there, every other one absent or whole.

KVS_BIN is the directory of the programs. --limit N takes the first N stanzas only (sanitizer builds).
"""
import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ.get("KVS_BIN", "build/bin")


def program(name):
    return os.path.abspath(os.path.join(BIN, name))


def die(text):
    print("FAIL", text)
    sys.exit(1)


def stanzas(limit):
    def dump():
        return subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout

    text = dump()
    if text.count(b"\nPackage: ") < 10000 and os.geteuid() == 0:  # no package lists on this machine yet
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        text = dump()
    found = {}
    for stanza in text.split(b"\n\n"):
        name = re.search(rb"^Package: (.+)$", stanza, re.M)
        version = re.search(rb"^Version: (.+)$", stanza, re.M)
        if name and version:
            found[name.group(1) + b"_" + version.group(1)] = stanza
        if limit and len(found) == limit:
            break
    if not found:
        die("apt-cache dumpavail shows no packages")
    return found


class Connection:
    """A RESP2 client: requests out, replies in, nothing more."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    def send(self, *args):
        self.socket.sendall(encode(*args))

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            if rest == b"-1":
                return None
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("closed")
            return data[:-2]
        if kind == b"-":
            die("the server answered " + rest.decode(errors="replace"))
        return rest


def encode(*args):
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(directory, port):
    server = subprocess.Popen([program("kvs-server"), "--addr", f"127.0.0.1:{port}", "--dir", directory],
                              stderr=subprocess.DEVNULL)
    for _ in range(2400):
        if server.poll() is not None:
            die(f"kvs-server ended with {server.returncode} while starting")
        try:
            connection = Connection(port)
            connection.send(b"PING")
            connection.reply()
            return server
        except OSError:
            time.sleep(0.05)
    die("kvs-server does not answer")


def read_back(port, records, prefix=b""):
    connection = Connection(port)
    names = list(records)
    for at in range(0, len(names), 256):
        batch = names[at:at + 256]
        connection.socket.sendall(b"".join(encode(b"GET", prefix + name) for name in batch))
        for name in batch:
            if connection.reply() != records[name]:
                die(f"{name.decode()} is not what was stored")


def load_directory(work, records):
    source = os.path.join(work, "packages.jsonl")
    with open(source, "w", encoding="utf-8") as f:
        for name, stanza in records.items():
            f.write(json.dumps({"key": name.decode(), "value": stanza.decode("utf-8", "surrogateescape")}) + "\n")
    directory = os.path.join(work, "directory")
    subprocess.run([program("kvs"), "--dir", directory, "import", source], check=True)
    exported = os.path.join(work, "exported.jsonl")
    subprocess.run([program("kvs"), "--dir", directory, "export", exported], check=True)
    back = {}
    with open(exported, encoding="utf-8") as f:
        for line in f:
            record = json.loads(line)
            back[record["key"].encode()] = record["value"].encode("utf-8", "surrogateescape")
    if back != records:
        die(f"kvs export gives {len(back)} records that are not the {len(records)} imported")


def load_pipe(work, records, port):
    source = os.path.join(work, "packages.resp")
    with open(source, "wb") as f:
        for name, stanza in records.items():
            f.write(encode(b"SET", name, stanza))
    with open(source, "rb") as f:
        done = subprocess.run(["redis-cli", "-p", str(port), "--pipe"], stdin=f, capture_output=True, text=True, check=False)
    if done.returncode != 0 or f"errors: 0, replies: {len(records)}" not in done.stdout:
        die(f"redis-cli --pipe: {done.stdout} {done.stderr}")
    read_back(port, records)


def load_and_kill(records, port, server):
    connection = Connection(port)
    names = list(records)
    acknowledged = 0

    def send():
        try:
            for at in range(0, len(names), 64):
                connection.socket.sendall(b"".join(encode(b"SET", b"again:" + n, records[n]) for n in names[at:at + 64]))
        except OSError:
            pass

    sender = threading.Thread(target=send)
    sender.start()
    try:
        while acknowledged < len(names):
            connection.reply()
            acknowledged += 1
            if acknowledged == len(names) // 2:
                server.send_signal(signal.SIGKILL)
    except OSError:
        pass
    sender.join()
    server.wait()
    return names[:acknowledged], names[acknowledged:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=0)
    limit = parser.parse_args().limit
    records = stanzas(limit)
    print(f"{len(records)} stanzas, {sum(map(len, records.values()))} bytes")
    with tempfile.TemporaryDirectory() as work:
        load_directory(work, records)
        print("kvs import and export: every stanza back, byte for byte")
        port = free_port()
        directory = os.path.join(work, "server")
        server = start(directory, port)
        try:
            load_pipe(work, records, port)
            print("redis-cli --pipe: every stanza back, byte for byte")
            acknowledged, rest = load_and_kill(records, port, server)
            server = start(directory, port)
            read_back(port, records)
            read_back(port, {n: records[n] for n in acknowledged}, b"again:")
            connection = Connection(port)
            for name in rest:
                connection.send(b"GET", b"again:" + name)
                if connection.reply() not in (None, records[name]):
                    die(f"{name.decode()} came back in part")
            print(f"killed with {len(acknowledged)} of {len(records)} acknowledged: all of them are there")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


main()
