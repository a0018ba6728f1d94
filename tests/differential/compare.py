"""Whether two replies to one command are equal, and where they need not be: the list of docs/differences.md in code.

Every rule stands here, under the name of its command; without one, replies must be equal byte for byte.
"""


class Slack:
    """How far apart in time the two servers can have run a command: what was measured, no more."""

    def __init__(self):
        self.ms = 0

    def note(self, seconds):
        self.ms = max(self.ms, int(seconds * 1000) + 2)


def is_number(reply):
    return reply[0] == b":"


def near(a, b, slack):
    """Both are numbers and at most @slack apart. What says "no key" and "never" must be equal."""
    if not is_number(a) or not is_number(b):
        return False
    a, b = int(a[1]), int(b[1])
    return abs(a - b) <= slack and (a >= 0) == (b >= 0)


def sorted_items(reply):
    if reply[0] not in (b"*", b"~") or reply[1] is None:
        return reply
    return (reply[0], sorted(reply[1]))


def seconds(args, a, b, slack):
    return near(a, b, slack.ms // 1000 + 1)


def milliseconds(args, a, b, slack):
    return near(a, b, slack.ms)


def any_order(args, a, b, slack):
    return sorted_items(a) == sorted_items(b)


def same_kind(args, a, b, slack):
    """Some key, some number of bytes: null or an error in both, or in neither."""
    return a[0] == b[0] and (a[1] is None) == (b[1] is None)


def kind_or_gone(args, a, b, slack):
    """Some number of bytes. Redis tells of a key that has expired as long as it has not removed it."""
    return same_kind(args, a, b, slack) or (is_number(a) and b[1] in (None, b""))


def not_more(args, a, b, slack):
    """Redis counts keys that have expired until it comes to remove them; the end of each case compares exactly."""
    return is_number(a) and is_number(b) and int(b[1]) <= int(a[1])


def encoding(args, a, b, slack):
    """The encoding is told from the value: one that Redis keeps raw after a change in place (APPEND, SETRANGE, bits), or
    embedded after INCRBYFLOAT, may be int or embstr here. References are what they are after SET, not more while a MULTI holds them."""
    if args[1].upper() == b"ENCODING" and a[1] in (b"raw", b"embstr"):
        return b[1] in (b"int", b"embstr")
    if args[1].upper() == b"REFCOUNT":
        return is_number(a) and is_number(b) and {a[1], b[1]} <= {b"1", b"2", b"2147483647"}
    if args[1].upper() == b"IDLETIME":
        return is_number(a) and b[1] == b"0"
    return False


RULES = {
    b"TTL": seconds,
    b"EXPIRETIME": seconds,
    b"PTTL": milliseconds,
    b"PEXPIRETIME": milliseconds,
    b"KEYS": any_order,
    b"RANDOMKEY": same_kind,
    b"OBJECT": encoding,
    b"MEMORY": kind_or_gone,
    b"TIME": same_kind,
    b"DBSIZE": not_more,
}


def equal(args, redis, ours, slack):
    """@redis and @ours: (value, bytes) of the replies to the command @args outside of EXEC."""
    if redis[1] == ours[1]:
        return True
    rule = RULES.get(args[0].upper())
    return rule is not None and rule(args, redis[0], ours[0], slack)


def equal_exec(queued, redis, ours, slack):
    """The same for EXEC: element by element, with each one's own rule."""
    if redis[1] == ours[1]:
        return True
    a, b = redis[0], ours[0]
    if a[0] != b"*" or b[0] != b"*" or a[1] is None or b[1] is None:
        return False
    if len(a[1]) != len(b[1]) or len(a[1]) != len(queued):
        return False
    for args, x, y in zip(queued, a[1], b[1]):
        rule = RULES.get(args[0].upper())
        if x != y and (rule is None or not rule(args, x, y, slack)):
            return False
    return True
