"""Servers under test and the connections to them: requests out, replies in, as bytes and as values."""
import os
import signal
import socket
import subprocess
import time


class Closed(Exception):
    """The server closed the connection in the middle of a reply."""


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


def parse(data, pos):
    """One reply at @pos: (kind, content), and the position behind it. ValueError: it is not complete."""
    end = data.index(b"\r\n", pos)
    kind = data[pos : pos + 1]
    line = data[pos + 1 : end]
    pos = end + 2
    if kind in b"+-:,#_(":
        return (kind, line), pos
    length = int(line)
    if length < 0:
        return (kind, None), pos
    if kind in b"$=!":
        if len(data) < pos + length + 2:
            raise ValueError
        return (kind, data[pos : pos + length]), pos + length + 2
    items = []
    for _ in range(length * 2 if kind == b"%" else length):
        item, pos = parse(data, pos)
        items.append(item)
    return (kind, items), pos


class Connection:
    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(60)
        self.data = b""
        self.pos = 0

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, count):
        """@count replies: each as (value, the bytes it came in)."""
        replies = []
        while len(replies) < count:
            try:
                value, end = parse(self.data, self.pos)
            except ValueError:
                more = self.socket.recv(1 << 20)
                if not more:
                    raise Closed from None
                self.data = self.data[self.pos :] + more
                self.pos = 0
                continue
            replies.append((value, self.data[self.pos : end]))
            self.pos = end
        return replies

    def ask(self, *args):
        self.send(encode([a.encode() if isinstance(a, str) else a for a in args]))
        return self.receive(1)[0][0]

    def close(self):
        self.socket.close()


class Server:
    """A program started for the test, ended by stop()."""

    def __init__(self, name, command, address, directory):
        self.name = name
        self.address = address
        self.log_path = os.path.join(directory, name + ".log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        for _ in range(1200):
            if self.process.poll() is not None:
                raise SystemExit(f"{name} ended while starting:\n{self.log()}")
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{name} does not listen:\n{self.log()}")

    def connect(self):
        return Connection(self.address)

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read()[-4000:].decode(errors="replace")

    def stop(self):
        """True: it ended in order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
