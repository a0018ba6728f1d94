#!/bin/sh
# Real clients against a server of the test's own: redis-cli, redis-benchmark, Python's redis. Usage: real_clients.sh ENGINE
set -eu

engine=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvs-test-XXXXXX")
: >"$dir/log"
"$KVS_BIN/kvs-server" --port 0 --dir "$dir/data" --engine "$engine" 2>>"$dir/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
port=
while [ -z "$port" ]; do
    kill -0 "$server" || { cat "$dir/log"; exit 1; }
    port=$(sed -n 's/.*ready on 127\.0\.0\.1:\([0-9]*\);.*/\1/p' "$dir/log")
    [ -n "$port" ] || sleep 0.1
done

fail() {
    echo "FAILED: $*"
    exit 1
}

# expect TEXT COMMAND...
expect() {
    want=$1
    shift
    got=$("$@") || fail "$*: exit code $?"
    [ "$got" = "$want" ] || fail "$*: expected '$want', got '$got'"
}

if command -v redis-cli >/dev/null; then
    cli="redis-cli -p $port"
    expect PONG $cli ping
    expect OK $cli set greeting "hello world"
    expect "hello world" $cli get greeting
    expect "" $cli get nothing
    expect OK $cli -3 set three 3
    expect '"3"' $cli -3 --no-raw get three
    expect '1) "greeting"
2) "three"' $cli --no-raw keys '*'
    expect "1000" sh -c "seq 1000 | sed 's/.*/SET pipe:& &/' | $cli --pipe 2>&1 | sed -n 's/.*replies: //p'"
    expect 1002 $cli dbsize
    expect 1000 sh -c "$cli --scan --pattern 'pipe:*' | sort -u | wc -l"
    expect "a b" sh -c "printf 'a b' | $cli -x set stdin >/dev/null; $cli get stdin"
    expect OK $cli flushall
else
    echo "SKIP redis-cli: not installed"
fi

if command -v redis-benchmark >/dev/null; then
    for pipeline in 1 16; do
        redis-benchmark -p "$port" -q -n 5000 -c 20 -r 1000 -P "$pipeline" -t ping_inline,ping_mbulk,set,get,incr,mset >"$dir/bench" 2>&1 ||
            fail "redis-benchmark: $(cat "$dir/bench")"
        grep -qi "error" "$dir/bench" && fail "redis-benchmark: $(cat "$dir/bench")"
        [ "$(tr '\r' '\n' <"$dir/bench" | grep -c "requests per second")" -ge 6 ] || fail "redis-benchmark: $(cat "$dir/bench")"
    done
else
    echo "SKIP redis-benchmark: not installed"
fi

if /usr/bin/python3 -c 'import redis' 2>/dev/null; then
    /usr/bin/python3 - "$port" <<'PYTHON' || fail "python redis"
import sys
import redis

r = redis.Redis(port=int(sys.argv[1]))
assert r.flushall() is True
assert r.set("py", b"\x00\xff") is True
assert r.get("py") == b"\x00\xff"
assert r.set("py", "x", nx=True) is None
assert r.incrby("n", 5) == 5
assert r.mget("py", "none") == [b"\x00\xff", None]
assert r.expire("n", 100) and 90 < r.ttl("n") <= 100
with r.pipeline(transaction=True) as p:
    assert p.incr("n").get("n").execute() == [6, b"6"]
with r.pipeline() as p:
    p.watch("n")
    r.set("n", "7")
    p.multi()
    p.incr("n")
    try:
        p.execute()
        raise SystemExit("WATCH did not notice")
    except redis.WatchError:
        pass
assert sorted(r.scan_iter(match="*")) == [b"n", b"py"]
assert r.info("server")["tcp_port"] == int(sys.argv[1])
assert r.config_get("maxclients")["maxclients"] == "10000"
assert r.client_list()[0]["cmd"]
big = b"z" * (3 << 20)
assert r.set("big", big) and r.get("big") == big
try:
    r.execute_command("NOSUCH")
    raise SystemExit("no error")
except redis.ResponseError as e:
    assert "unknown command" in str(e)
assert r.delete("py", "n", "big") == 3
PYTHON
else
    echo "SKIP python redis: not installed"
fi

kill "$server"
wait "$server" || fail "the server ended with $?"
echo "ok"
