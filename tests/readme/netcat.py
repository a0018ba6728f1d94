#!/usr/bin/env python3
"""Sends standard input to a port of 127.0.0.1, closes that direction, prints what comes back."""
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    while True:
        data = s.recv(65536)
        if not data:
            break
        sys.stdout.buffer.write(data)
