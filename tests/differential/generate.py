"""Random commands on strings and keys: every command and option of the groups, good and bad arguments.

A step is (connection, arguments); arguments that are a tuple are no command but something to do: ("sleep",), ("scan", options),
("cross", key).
"""
import payload

KEYS = [b"a", b"b", b"c", b"d", b"e", b"key:1", b"key:2", b"key:10", b"", b"\0\xff\r\n", b"{x}:y", b"[z]*?\\"]
NUMBERS = [b"0", b"1", b"-1", b"2", b"3", b"7", b"8", b"10", b"-2", b"-10", b"15", b"100", b"-100", b"1000", b"65536"]
BAD_NUMBERS = [
    b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.5", b"1e2", b"x", b"0x10", b"9223372036854775807",
    b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"99999999999999999999",
    b"536870911", b"536870912", b"4294967295", b"4294967296", b"2147483648", b"1\0", b"\0",
]
VALUES = [
    b"", b"0", b"1", b"-1", b"10", b"9999", b"10000", b"12345", b"007", b"+5", b" 5", b"5 ", b"9223372036854775807",
    b"-9223372036854775808", b"9223372036854775808", b"3.14", b"1e5", b"inf", b"-inf", b"nan", b"0x1p3", b"1e400", b"1e-400",
    b"hello", b"Hello World", b"\xff", b"\0", b"\0\0\0", b"\xff\xff\xff", b"foobar", b"ohmytext", b"mynewtext", b"-0", b"1.0",
    b"3.0e3", b"5.0e-5", b"17179869184", b"127", b"128", b"-129", b"32768", b"2147483648", b"99999999999",
    b"123456789012345678901234567890",
]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"3.14", b"-2.5", b"1e5", b"1e-5", b"inf", b"-inf", b"nan", b"x", b"", b" 1", b"1 ", b"5.0e3",
          b"1e308", b"-1e308", b"1e4000", b"0x10", b"99999999999999999", b"1.2.3", b"0.0000000000000001"]
PATTERNS = [b"*", b"?", b"key:*", b"k*1*", b"[a-c]", b"[^a-c]", b"[c-a]", b"\\*", b"[", b"[a", b"a*b*c*d", b"", b"**", b"*\\", b"[\\]]",
            b"\\[z\\]*", b"*[1-9]", b"{x}*", b"*\xff*", b"key:[^1]*", b"???", b"[ab]*"]
FUTURE = [b"4102444800", b"9999999999", b"2147483647"]


class Generator:
    def __init__(self, rng, known, connections=2):
        self.rng = rng
        self.connections = connections
        self.in_multi = [False] * connections
        self.dumps = b"DUMP" in known
        table = {name[2:]: getattr(self, name) for name in dir(self) if name.startswith("c_")}
        self.names = []
        for name, make in sorted(table.items()):
            if name.split("__")[0].upper().encode() in known:
                self.names += [make] * self.WEIGHTS.get(name, 10)

    WEIGHTS = {
        "set": 60, "get": 30, "multi": 5, "exec": 12, "discard": 2, "watch": 4, "unwatch": 1, "flushall": 1, "flushdb": 1,
        "select": 4, "swapdb": 1, "keys": 4, "scan": 0, "dbsize": 6, "wait": 1, "unknown": 2, "echo": 2, "sort": 4,
        "sort_ro": 2, "object": 12, "memory": 4, "bitfield": 30, "bitcount": 15, "bitpos": 20, "setbit": 15, "bitop": 15,
        "mset": 8, "msetnx": 6, "restore": 25, "dump": 15, "append": 15, "setrange": 12, "getex": 15, "lcs": 12, "copy": 15,
    }

    # ---- arguments ----

    def pick(self, *items):
        return self.rng.choice(items)

    def key(self):
        return self.rng.choice(KEYS[:5] if self.rng.random() < 0.8 else KEYS)

    def number(self):
        if self.rng.random() < 0.12:
            return self.rng.choice(BAD_NUMBERS)
        return self.rng.choice(NUMBERS)

    def small(self):
        return b"%d" % self.rng.randrange(-20, 40)

    def value(self):
        how = self.rng.random()
        if how < 0.5:
            return self.rng.choice(VALUES)
        if how < 0.75:
            return bytes(self.rng.choice(b"ab\0\xff01") for _ in range(self.rng.randrange(70)))
        if how < 0.97:
            return self.rng.randbytes(self.rng.choice([1, 2, 8, 11, 12, 19, 20, 21, 22, 43, 44, 45, 63, 64, 65]))
        return self.rng.choice([b"x", b"abc", b"\xff"]) * self.rng.randrange(1, 6000)

    def word(self, text):
        """@text in some mixture of cases."""
        how = self.rng.random()
        if how < 0.6:
            return text.upper()
        if how < 0.8:
            return text.lower()
        return bytes(self.rng.choice((c, c ^ 0x20)) if 65 <= c & ~0x20 <= 90 else c for c in text)

    def seconds(self):
        how = self.rng.random()
        if how < 0.7:
            return b"%d" % self.rng.randrange(1000, 100000)
        if how < 0.85:
            return self.rng.choice([b"0", b"-1", b"-1000", b"-9223372036854775808", b"-9223372036854775"])
        return self.rng.choice([x for x in BAD_NUMBERS if x not in (b"01", b"+1")])

    def millis(self):
        return b"%d" % self.rng.randrange(1000000, 100000000) if self.rng.random() < 0.7 else self.seconds_not_short()

    def seconds_not_short(self):
        """Not a time to live of seconds or less, which would run out at a moment of its own on each side."""
        return self.rng.choice([b"0", b"-1", b"-5", b"x", b"", b"9223372036854775807", b"-9223372036854775808", b"99999999999999999999"])

    def unix(self, scale=1):
        how = self.rng.random()
        if how < 0.7:
            return b"%d" % (int(self.rng.choice(FUTURE)) * scale)
        return self.rng.choice([b"0", b"1", b"-1", b"1000", b"x", b"", b"9223372036854775807", b"-9223372036854775808", b"9223372036854776"])

    def expiry(self, words):
        word = self.rng.choice(words)
        make = {b"EX": self.seconds, b"PX": self.millis, b"EXAT": self.unix, b"PXAT": lambda: self.unix(1000)}.get(word)
        return [self.word(word)] + ([make()] if make and self.rng.random() < 0.97 else [])

    def options(self, choices, most=3):
        """Some of @choices: functions or words."""
        args = []
        for _ in range(self.rng.choice([0, 0, 1, 1, 2, most])):
            choice = self.rng.choice(choices)
            args += choice() if callable(choice) else [self.word(choice)]
        if self.rng.random() < 0.02:
            args.append(b"NOSUCHOPTION")
        return args

    def keys(self, most=4):
        return [self.key() for _ in range(self.rng.randrange(1, most + 1))]

    # ---- commands ----

    def c_get(self): return [b"GET", self.key()]
    def c_strlen(self): return [b"STRLEN", self.key()]
    def c_getdel(self): return [b"GETDEL", self.key()]
    def c_getset(self): return [b"GETSET", self.key(), self.value()]
    def c_setnx(self): return [b"SETNX", self.key(), self.value()]
    def c_append(self): return [b"APPEND", self.key(), self.value()]
    def c_incr(self): return [b"INCR", self.key()]
    def c_decr(self): return [b"DECR", self.key()]
    def c_incrby(self): return [b"INCRBY", self.key(), self.number()]
    def c_decrby(self): return [b"DECRBY", self.key(), self.number()]
    def c_incrbyfloat(self): return [b"INCRBYFLOAT", self.key(), self.rng.choice(FLOATS)]
    def c_mget(self): return [b"MGET"] + self.keys()
    def c_setex(self): return [b"SETEX", self.key(), self.seconds(), self.value()]
    def c_psetex(self): return [b"PSETEX", self.key(), self.millis(), self.value()]
    def c_getrange(self): return [b"GETRANGE", self.key(), self.number(), self.number()]
    def c_substr(self): return [b"SUBSTR", self.key(), self.number(), self.number()]

    def c_set(self):
        return [b"SET", self.key(), self.value()] + self.options(
            [b"NX", b"XX", b"GET", b"KEEPTTL", lambda: self.expiry([b"EX", b"PX", b"EXAT", b"PXAT"])], 4)

    def c_getex(self):
        return [b"GETEX", self.key()] + self.options([b"PERSIST", lambda: self.expiry([b"EX", b"PX", b"EXAT", b"PXAT"])], 2)

    def c_setrange(self):
        off = self.number() if self.rng.random() < 0.9 else self.rng.choice([b"536870911", b"536870912", b"-5"])
        return [b"SETRANGE", self.key(), off if off != b"536870911" else b"536870913", self.value()]

    def c_mset(self): return [b"MSET"] + [x for _ in range(self.rng.randrange(1, 4)) for x in (self.key(), self.value())]
    def c_msetnx(self): return [b"MSETNX"] + [x for _ in range(self.rng.randrange(1, 4)) for x in (self.key(), self.value())]

    def c_lcs(self):
        return [b"LCS", self.key(), self.key()] + self.options([b"LEN", b"IDX", b"WITHMATCHLEN", lambda: [b"MINMATCHLEN", self.number()]], 4)

    def bit_offset(self):
        if self.rng.random() < 0.08:
            return self.rng.choice([b"4294967296", b"-1", b"x", b"", b"4294967297", b"9223372036854775807", b"1.0", b"#1"])
        return b"%d" % self.rng.randrange(self.rng.choice([8, 64, 600]))

    def c_setbit(self): return [b"SETBIT", self.key(), self.bit_offset(), self.pick(b"0", b"1", b"1", b"0", b"2", b"x", b"-1")]
    def c_getbit(self): return [b"GETBIT", self.key(), self.bit_offset()]

    def bit_range(self, bounds=(0, 1, 2)):
        args = [self.small() if self.rng.random() < 0.9 else self.number() for _ in range(self.rng.choice(bounds))]
        if len(args) == 2 and self.rng.random() < 0.6 or self.rng.random() < 0.05:
            args.append(self.word(self.pick(b"BIT", b"BIT", b"BYTE", b"BITS")))
        return args

    def c_bitcount(self): return [b"BITCOUNT", self.key()] + self.bit_range()
    def c_bitpos(self): return [b"BITPOS", self.key(), self.pick(b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"x")] + self.bit_range()
    def c_bitop(self): return [b"BITOP", self.word(self.pick(b"AND", b"OR", b"XOR", b"NOT", b"NAND"))] + self.keys(4) + [self.key()][: self.rng.randrange(2)]

    def bit_type(self):
        if self.rng.random() < 0.05:
            return self.pick(b"u64", b"i65", b"i0", b"u0", b"I8", b"8", b"", b"i", b"u-1", b"i08", b"u8x")
        return (b"u%d" % self.rng.randrange(1, 64)) if self.rng.random() < 0.5 else b"i%d" % self.rng.randrange(1, 65)

    def field_offset(self):
        return self.bit_offset() if self.rng.random() < 0.6 else b"#%d" % self.rng.randrange(20)

    def field_value(self):
        if self.rng.random() < 0.3:
            return self.rng.choice(BAD_NUMBERS)
        return b"%d" % self.rng.randrange(-(1 << self.rng.randrange(1, 63)), 1 << self.rng.randrange(1, 63))

    def field_op(self):
        op = self.pick(b"GET", b"SET", b"INCRBY", b"OVERFLOW", b"INCRBY")
        if op == b"GET":
            return [self.word(op), self.bit_type(), self.field_offset()]
        if op == b"OVERFLOW":
            return [self.word(op), self.word(self.pick(b"WRAP", b"SAT", b"FAIL", b"FAIL", b"SAT", b"OTHER") if self.rng.random() < 0.2 else self.pick(b"WRAP", b"SAT", b"FAIL"))]
        return [self.word(op), self.bit_type(), self.field_offset(), self.field_value()]

    def c_bitfield(self):
        args = [b"BITFIELD", self.key()]
        for _ in range(self.rng.choice([0, 1, 1, 2, 3, 5])):
            args += self.field_op()
        return args

    def c_bitfield_ro(self):
        args = [b"BITFIELD_RO", self.key()]
        for _ in range(self.rng.choice([0, 1, 2])):
            args += [self.word(b"GET"), self.bit_type(), self.field_offset()]
        return args + (self.field_op() if self.rng.random() < 0.1 else [])

    def c_del(self): return [b"DEL"] + self.keys()
    def c_unlink(self): return [b"UNLINK"] + self.keys()
    def c_exists(self): return [b"EXISTS"] + self.keys()
    def c_touch(self): return [b"TOUCH"] + self.keys()
    def c_type(self): return [b"TYPE", self.key()]
    def c_rename(self): return [b"RENAME", self.key(), self.key()]
    def c_renamenx(self): return [b"RENAMENX", self.key(), self.key()]
    def c_persist(self): return [b"PERSIST", self.key()]
    def c_ttl(self): return [b"TTL", self.key()]
    def c_pttl(self): return [b"PTTL", self.key()]
    def c_expiretime(self): return [b"EXPIRETIME", self.key()]
    def c_pexpiretime(self): return [b"PEXPIRETIME", self.key()]
    def c_randomkey(self): return [b"RANDOMKEY"]
    def c_keys(self): return [b"KEYS", self.rng.choice(PATTERNS)]
    def c_dbsize(self): return [b"DBSIZE"]
    def c_echo(self): return [b"ECHO", self.value()]

    def conditions(self): return self.options([b"NX", b"XX", b"GT", b"LT"], 2)
    def c_expire(self): return [b"EXPIRE", self.key(), self.seconds()] + self.conditions()
    def c_pexpire(self): return [b"PEXPIRE", self.key(), self.millis()] + self.conditions()
    def c_expireat(self): return [b"EXPIREAT", self.key(), self.unix()] + self.conditions()
    def c_pexpireat(self): return [b"PEXPIREAT", self.key(), self.unix(1000)] + self.conditions()

    def space(self):
        return self.pick(b"0", b"0", b"1", b"2") if self.rng.random() < 0.9 else self.pick(b"15", b"16", b"-1", b"x", b"", b"99999999999")

    def c_copy(self): return [b"COPY", self.key(), self.key()] + self.options([b"REPLACE", lambda: [self.word(b"DB"), self.space()]], 2)
    def c_move(self): return [b"MOVE", self.key(), self.space()]
    def c_swapdb(self): return [b"SWAPDB", self.space(), self.space()]
    def c_select(self): return [b"SELECT", self.space()]
    def c_flushall(self): return [b"FLUSHALL"] + self.options([b"ASYNC", b"SYNC"], 2)
    def c_flushdb(self): return [b"FLUSHDB"] + self.options([b"ASYNC", b"SYNC"], 2)

    def c_dump(self): return [b"DUMP", self.key()]

    def c_restore(self):
        make = payload.payload if self.rng.random() < 0.8 else payload.broken
        ttl = b"0" if self.rng.random() < 0.5 else self.millis()
        options = [b"REPLACE", b"REPLACE", b"REPLACE", b"ABSTTL", lambda: [self.word(b"IDLETIME"), self.number()], lambda: [self.word(b"FREQ"), self.number()]]
        return [b"RESTORE", self.key(), ttl, make(self.rng, self.value())] + self.options(options, 2)

    def sort_options(self):
        return self.options([b"ASC", b"DESC", b"ALPHA", lambda: [b"LIMIT", self.number(), self.number()],
                             lambda: [b"BY", self.pick(b"nosort", b"w_*", b"*")], lambda: [b"GET", self.pick(b"#", b"w_*")]], 3)

    def c_sort(self):
        store = [self.word(b"STORE"), self.key()] if self.rng.random() < 0.3 else []
        return [b"SORT", self.key()] + self.sort_options() + store

    def c_sort_ro(self): return [b"SORT_RO", self.key()] + self.sort_options()

    def c_object(self):
        return [b"OBJECT", self.word(self.pick(b"ENCODING", b"ENCODING", b"REFCOUNT", b"IDLETIME", b"FREQ", b"NOSUCH")), self.key()]

    def c_memory(self):
        return [b"MEMORY", b"USAGE", self.key()] + self.options([lambda: [self.word(b"SAMPLES"), self.number()]], 1)

    def c_wait(self): return [b"WAIT", self.pick(b"0", b"-1", b"x"), self.pick(b"0", b"1", b"-1", b"x")]
    def c_unknown(self): return [self.pick(b"NOSUCH", b"", b"get\0", b"G" * 200, b"GET\r\n"), self.value(), self.key()]

    def c_multi(self): return [b"MULTI"]
    def c_exec(self): return [b"EXEC"]
    def c_discard(self): return [b"DISCARD"]
    def c_watch(self): return [b"WATCH"] + self.keys()
    def c_unwatch(self): return [b"UNWATCH"]

    # ---- runs ----

    def command(self, connection):
        while True:
            args = self.rng.choice(self.names)()
            # What FLUSHALL does inside MULTI is fine; what ends a MULTI must come now and then, so that runs get on.
            if self.in_multi[connection] and self.rng.random() < 0.12:
                args = [b"EXEC"]
            break
        if self.rng.random() < 0.02 and args[0] not in (b"EXEC", b"FLUSHALL", b"SWAPDB"):
            args = args[: self.rng.randrange(1, len(args) + 1)]
        elif self.rng.random() < 0.01:
            args = args + [self.rng.choice([b"x", b"0", b"NX"])]
        args[0] = self.word(args[0]) if args[0].isalpha() else args[0]
        name = args[0].upper()
        if name == b"MULTI" and len(args) == 1:
            self.in_multi[connection] = True
        elif name in (b"EXEC", b"DISCARD") and len(args) == 1:
            self.in_multi[connection] = False
        return args

    def run(self, count):
        """@count steps: mostly the same connection for some time, then the other one."""
        steps = []
        connection = 0
        while len(steps) < count:
            if self.rng.random() < 0.03:
                connection = self.rng.randrange(self.connections)
            steps.append((connection, self.command(connection)))
            if self.rng.random() < 0.01 and not self.in_multi[connection]:
                steps.append((connection, self.special()))
        return steps

    def special(self):
        if self.dumps and self.rng.random() < 0.5:
            return ("cross", self.key())
        return ("scan", self.options([lambda: [self.word(b"COUNT"), self.pick(b"1", b"3", b"100", b"0", b"x", b"10")],
                                      lambda: [self.word(b"MATCH"), self.rng.choice(PATTERNS)],
                                      lambda: [self.word(b"TYPE"), self.pick(b"string", b"list", b"STRING", b"nosuch")]]))

    def short_lived(self):
        """Keys that expire now, and the wait until they have on both sides."""
        key = self.key()
        make = self.pick([b"SET", key, self.value(), b"PX", b"20"], [b"PSETEX", key, b"20", self.value()])
        return [(0, make), (0, ("sleep",))] + [(0, args) for args in ([b"GET", key], [b"EXISTS", key], [b"TTL", key], [b"RENAME", key, b"b"], [b"SETNX", key, b"v"])]
