#!/usr/bin/env python3
"""Runs README.md and docs/ordered-keys.md: every console block against a server started for it, and the C example against the built library; and the
C examples of docs/client.md, against a server.

A console block is lines `$ command` followed by what it prints. Port 4000 is replaced by a free one, build/bin by the
directory under test (KVS_BIN); redis-cli prints as on a terminal (--no-raw). TTLs may have ticked by a second.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ["KVS_SOURCE"]
BIN = os.environ["KVS_BIN"]
LIB = os.environ.get("KVS_LIB", os.path.join(os.path.dirname(BIN), "lib"))


def blocks(text, language):
    return re.findall(r"^```" + language + r"\n(.*?)^```", text, re.S | re.M)


def transcript(block):
    steps = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def same(expected, actual):
    if expected == actual:
        return True
    ttl = re.fullmatch(r"\(integer\) (\d+)", actual)
    wanted = re.fullmatch(r"\(integer\) 3600", expected)
    return bool(ttl and wanted and 3590 <= int(ttl.group(1)) <= 3600)


def wait_ready(port, server):
    for _ in range(600):
        if server.poll() is not None:
            sys.exit("the server ended while starting")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("the server does not listen")


def run_console(text, failures):
    port = free_port()
    with tempfile.TemporaryDirectory() as work:
        server = subprocess.Popen(
            [os.path.join(BIN, "kvs-server"), "--addr", f"127.0.0.1:{port}", "--dir", os.path.join(work, "data")],
            stderr=subprocess.DEVNULL)
        try:
            wait_ready(port, server)
            env = dict(os.environ, KVS_ADDR=f"127.0.0.1:{port}")
            for block in blocks(text, "console"):
                for command, output in transcript(block):
                    run = command.replace("redis-cli -p 4000", f"redis-cli --no-raw -p {port}")
                    run = run.replace("build/bin", BIN).replace("4000", str(port)).replace("run/other", "other")
                    if run.find("| nc -q 1") >= 0:  # netcat is not on every machine; python stands in
                        run = run.split("| nc")[0] + f"| python3 {os.path.join(SOURCE, 'tests/readme/netcat.py')} {port}"
                    done = subprocess.run(["sh", "-c", run], cwd=work, env=env, capture_output=True, text=True,
                                          timeout=120, check=False)
                    got = done.stdout.rstrip("\n")
                    wanted = "\n".join(output).rstrip("\n")
                    if not same(wanted, got):
                        failures.append(f"$ {command}\n  expected: {wanted!r}\n  got:      {got!r}\n  stderr:   {done.stderr.strip()!r}")
        finally:
            server.send_signal(signal.SIGTERM)
            if server.wait(60) != 0:
                failures.append(f"kvs-server ended with {server.returncode} on SIGTERM")


def compile_example(example, work, failures):
    source = os.path.join(work, "example.c")
    program = os.path.join(work, "example")
    with open(source, "w") as f:
        f.write(example)
    flags = os.environ.get("KVS_EXAMPLE_FLAGS", "").split()
    built = subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", source, "-o", program,
                            "-I", os.path.join(SOURCE, "include"), "-L", LIB, "-Wl,-rpath," + LIB, "-lkvs"] + flags,
                           capture_output=True, text=True, check=False)
    if built.returncode != 0:
        failures.append(f"a C example does not compile:\n{built.stderr}")
        return None
    return program


def run_program(program, work, expected, failures, **env):
    done = subprocess.run([program], cwd=work, capture_output=True, text=True, timeout=120, check=False,
                          env=dict(os.environ, **env))
    if done.returncode != 0 or done.stdout != expected:
        failures.append(f"a C example printed {done.stdout!r}, exit {done.returncode}, {done.stderr!r}")


def run_readme_example(text, failures):
    for example in blocks(text, "c"):
        with tempfile.TemporaryDirectory() as work:
            program = compile_example(example, work, failures)
            for _ in range(2 if program else 0):  # the second run opens what the first has left
                run_program(program, work, "42\n", failures)


def run_client_examples(text, failures):
    examples = re.findall(r"^```c\n(.*?)^```\n```text\n(.*?)^```", text, re.S | re.M)
    if len(examples) != 2:
        failures.append("docs/client.md should have two C examples with what they print")
    port = free_port()
    with tempfile.TemporaryDirectory() as work:
        server = subprocess.Popen(
            [os.path.join(BIN, "kvs-server"), "--addr", f"127.0.0.1:{port}", "--dir", os.path.join(work, "data")],
            stderr=subprocess.DEVNULL)
        try:
            wait_ready(port, server)
            for example, expected in examples:
                program = compile_example(example, work, failures)
                if program:
                    run_program(program, work, expected, failures, KVS_ADDR=f"127.0.0.1:{port}")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def main():
    with open(os.path.join(SOURCE, "README.md")) as f:
        text = f.read()
    failures = []
    if not blocks(text, "console") or not blocks(text, "c"):
        failures.append("README.md has no console or C blocks")
    run_console(text, failures)
    run_readme_example(text, failures)
    with open(os.path.join(SOURCE, "docs", "ordered-keys.md")) as f:
        run_console(f.read(), failures)
    with open(os.path.join(SOURCE, "docs", "client.md")) as f:
        run_client_examples(f.read(), failures)
    for failure in failures:
        print("FAIL", failure)
    sys.exit(1 if failures else 0)


main()
