#!/usr/bin/env python3
"""Debian's redis-server and kvs-server get the same random commands and must give the same answers.

    differential.py [--commands N] [--engine memory|kvs] [--seed S] [--case N]

Runs are cases of some hundred commands on two connections of each server (RESP2 and RESP3), from an empty store. The seed is printed;
--seed and --case repeat a case. A case that fails is shortened, command by command, and printed. What may differ: compare.py.
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare
import generate
import table
import wire

CASE_COMMANDS = 500
SLEEP_S = 0.08


class Pair:
    """Two connections to each of two servers, and what is known of them."""

    def __init__(self, servers):
        self.links = [[server.connect() for _ in range(2)] for server in servers]
        self.queued = [None, None]
        self.watching = [False, False]
        self.emptied = False
        self.parted = False  # the answers may differ from here on
        self.slack = compare.Slack()
        for links in self.links:
            links[1].ask("HELLO", "3")
            links[0].ask("FLUSHALL")

    def close(self):
        for links in self.links:
            for link in links:
                link.close()

    def note_watch(self, connection, name):
        if name == b"WATCH":
            self.watching[connection] = True
        elif name in (b"EXEC", b"DISCARD", b"UNWATCH", b"RESET"):
            self.watching[connection] = False
        elif name in (b"FLUSHALL", b"FLUSHDB", b"SWAPDB"):
            self.emptied = True

    def aborted_by_emptying(self, connection, redis, ours):
        """For us, emptying a space changes every key that is watched in it; for Redis only those that exist."""
        aborted = [reply[0][0] == b"_" or reply[0][1] is None for reply in (redis, ours)]
        return self.watching[connection] and self.emptied and aborted == [False, True]

    def equal(self, connection, args, redis, ours):
        name = args[0].upper()
        if name == b"EXEC" and self.aborted_by_emptying(connection, redis, ours):
            self.parted = True
            return True
        self.note_watch(connection, name)
        queued = self.queued[connection]
        if queued is not None and redis[1] == b"+QUEUED\r\n":
            queued.append(args)
            return redis[1] == ours[1]
        if name == b"MULTI" and redis[1] == b"+OK\r\n":
            self.queued[connection] = []
        elif name in (b"EXEC", b"DISCARD") and len(args) == 1:
            self.queued[connection] = None
            if name == b"EXEC" and queued is not None:
                return compare.equal_exec(queued, redis, ours, self.slack)
        return compare.equal(args, redis, ours, self.slack)

    def exchange(self, connection, commands):
        """Sends @commands to both; the first pair of replies that differ: (index, redis, ours), or None."""
        data = b"".join(wire.encode(args) for args in commands)
        began = time.monotonic()
        for links in self.links:
            links[connection].send(data)
        answers = [links[connection].receive(len(commands)) for links in self.links]
        self.slack.note(time.monotonic() - began)
        for i, args in enumerate(commands):
            if not self.equal(connection, args, answers[0][i], answers[1][i]):
                return i, answers[0][i][1], answers[1][i][1]
            if self.parted:
                return None
        return None


    def scan(self, connection, options):
        """A whole SCAN of each: every key once, in whatever order, or the same error."""
        found = []
        for links in self.links:
            keys = []
            cursor = b"0"
            for _ in range(200):
                reply = links[connection].ask("SCAN", cursor, *options)
                if reply[0] != b"*":
                    keys = [reply]
                    break
                cursor = reply[1][0][1]
                keys += [key[1] for key in reply[1][1][1]]
                if cursor == b"0":
                    break
            else:
                keys.append(b"(no end)")
            # Redis may answer a key twice while its table grows.
            found.append(sorted(set(keys)))
        return None if found[0] == found[1] else (repr(found[0]).encode(), repr(found[1]).encode())

    def count(self):
        """The number of keys, in each space: what KEYS shows of both, and what we count."""
        for space in ("0", "1", "2", "15"):
            keys = []
            for links in self.links:
                links[1].ask("SELECT", space)
                keys.append(sorted(key[1] for key in links[1].ask("KEYS", "*")[1]))
            counted = int(self.links[1][1].ask("DBSIZE")[1])
            if keys[0] != keys[1] or counted != len(keys[0]):
                return repr(keys[0]).encode(), repr((counted, keys[1])).encode()
        return None

    def cross(self, connection, key):
        """What one server dumps, the other restores: the value arrives, whichever way it goes."""
        redis, ours = (links[connection] for links in self.links)
        redis.ask("CONFIG", "SET", "rdbcompression", "yes")
        dumps = [redis.ask("DUMP", key)[1], ours.ask("DUMP", key)[1]]
        redis.ask("CONFIG", "SET", "rdbcompression", "no")
        if dumps[0] is None or dumps[1] is None:
            return None if dumps[0] == dumps[1] else (repr(dumps[0]).encode(), repr(dumps[1]).encode())
        values = []
        for link, dump in ((redis, dumps[1]), (ours, dumps[0])):
            values.append((link.ask("RESTORE", key, "0", dump, "REPLACE"), link.ask("GET", key)))
        return None if values[0] == values[1] else (repr(values[0]).encode(), repr(values[1]).encode())


def play(servers, steps):
    """Runs @steps; None, or (index of the step, redis, ours)."""
    pair = Pair(servers)
    try:
        at = 0
        while at < len(steps):
            connection = steps[at][0]
            args = steps[at][1]
            if isinstance(args, tuple):
                found = None
                if args[0] == "sleep":
                    time.sleep(SLEEP_S)
                elif pair.queued[connection] is None:
                    found = pair.scan(connection, args[1]) if args[0] == "scan" else pair.cross(connection, args[1])
                if found is not None:
                    return at, found[0], found[1]
                at += 1
                continue
            end = at
            while end < len(steps) and steps[end][0] == connection and isinstance(steps[end][1], list):
                end += 1
            try:
                found = pair.exchange(connection, [args for _, args in steps[at:end]])
            except (wire.Closed, OSError) as error:
                return end - 1, b"(both still there)", repr(error).encode()
            if found is not None:
                return at + found[0], found[1], found[2]
            if pair.parted:
                return None
            at = end
        if pair.queued[1] is None and not pair.parted:
            found = pair.count()
            if found is not None:
                return len(steps) - 1, found[0], found[1]
        return None
    finally:
        pair.close()


def shorten(servers, steps, limit_s=60):
    """A shorter run of steps that still fails: halves, quarters, … single steps are left out as long as it does."""
    until = time.monotonic() + limit_s
    size = len(steps) // 2
    while size >= 1 and time.monotonic() < until:
        at = 0
        while at < len(steps) and time.monotonic() < until:
            tried = steps[:at] + steps[at + size :]
            found = play(servers, tried) if tried else None
            if found is not None:
                steps = tried[: found[0] + 1]
            else:
                at += size
        size //= 2
    return steps


def show(steps, found):
    for connection, args in steps:
        if isinstance(args, tuple):
            print(f"    {'RESP3' if connection else 'RESP2'}  {args!r}")
        else:
            print(f"    {'RESP3' if connection else 'RESP2'}  " + " ".join(repr(a)[1:] for a in args))
    print(f"redis: {found[1]!r}\nkvs:   {found[2]!r}")


def make_case(seed, number, count, known):
    rng = random.Random(f"{seed}/{number}")
    generator = generate.Generator(rng, known)
    steps = generator.run(count)
    if number % 8 == 0:
        steps += [step for step in generator.short_lived()]
    return steps


def start(args, directory):
    binaries = os.environ["KVS_BIN"]
    socket_path = os.path.join(directory, "redis.sock")
    redis = wire.Server(
        "redis",
        ["redis-server", "--port", "0", "--unixsocket", socket_path, "--save", "", "--dir", directory,
         "--rdbcompression", "no", "--hz", "100"],
        socket_path,
        directory,
    )
    port = wire.free_port()
    ours = wire.Server(
        "kvs",
        [os.path.join(binaries, "kvs-server"), "--addr", f"127.0.0.1:{port}", "--engine", args.engine,
         "--dir", os.path.join(directory, "data")],
        ("127.0.0.1", port),
        directory,
    )
    return redis, ours


def command_names(server):
    link = server.connect()
    names = {name[1].upper() for name in link.ask("COMMAND", "LIST")[1]}
    link.close()
    return names


def run_cases(args, servers):
    known = command_names(servers[0]) & command_names(servers[1])
    known |= {b"UNKNOWN"}
    lines, missing = table.differences(*servers)
    if args.missing:
        print("not here:", " ".join(name.decode() for name in missing))
    if lines:
        print("FAIL the tables differ", *lines, sep="\n")
        return False
    done = 0
    number = args.case or 0
    while done < args.commands:
        steps = make_case(args.seed, number, CASE_COMMANDS, known)
        found = play(servers, steps)
        if found is not None:
            print(f"FAIL case {number}: repeat with --seed {args.seed} --case {number}")
            steps = steps[: found[0] + 1]
            show(steps[-1:], found)
            steps = shorten(servers, steps)
            found = play(servers, steps) or found
            print(f"the same in {len(steps)} commands:")
            show(steps, found)
            return False
        done += len(steps)
        number += 1
    print(f"{done} commands in {number - (args.case or 0)} cases: all answers equal")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=60000)
    parser.add_argument("--engine", default="memory")
    parser.add_argument("--seed", default=None)
    parser.add_argument("--case", type=int, default=None)
    parser.add_argument("--missing", action="store_true", help="list the commands of Redis that kvs has not")
    args = parser.parse_args()
    if shutil.which("redis-server") is None:
        print("SKIP differential: redis-server is not installed")
        sys.exit(77)
    args.seed = args.seed or os.environ.get("KVS_TEST_SEED") or hex(random.SystemRandom().getrandbits(32))
    print(f"seed {args.seed}, engine {args.engine}", flush=True)
    if args.case is not None:
        args.commands = 1
    with tempfile.TemporaryDirectory(prefix="kvs-differential-") as directory:
        servers = []
        good = False
        try:
            servers = start(args, directory)
            good = run_cases(args, servers)
            if not good:
                print(servers[1].log())
        finally:
            ended = [server.stop() for server in servers]
        if not all(ended):
            print("FAIL a server did not end in order:", ended)
    sys.exit(0 if good and all(ended) else 1)


if __name__ == "__main__":
    main()
