"""What COMMAND INFO and COMMAND DOCS tell of each command, as Redis tells it; the words of summaries and notes are ours."""

WORDS = (b"notes", b"summary", b"complexity", b"history", b"subcommands", b"module", b"replaced_by")


def fields(reply):
    """A map as a dictionary of its fields, whichever way the protocol writes it."""
    items = reply[1]
    return {items[i][1]: items[i + 1] for i in range(0, len(items), 2)}


def plain(reply):
    """Without the words, sets in order."""
    kind, content = reply
    if kind == b"%":
        return {k: plain(v) for k, v in fields(reply).items() if k not in WORDS}
    if kind == b"~":
        return sorted(repr(plain(item)) for item in content)
    if kind == b"*":
        return [plain(item) for item in content]
    return content


def differences(redis, ours):
    """Lines that say where the tables differ, for the commands both have."""
    links = [server.connect() for server in (redis, ours)]
    for link in links:
        link.ask("HELLO", "3")
    names = [{name[1] for name in link.ask("COMMAND", "LIST")[1]} for link in links]
    lines = []
    for name in sorted(names[0] & names[1]):
        info = [link.ask("COMMAND", "INFO", name)[1][0] for link in links]
        for reply in info:
            reply[1][9:] = []  # subcommands come by themselves
        if plain(info[0]) != plain(info[1]):
            lines.append(f"COMMAND INFO {name.decode()}\n  redis {plain(info[0])}\n  kvs   {plain(info[1])}")
        docs = [plain(fields(link.ask("COMMAND", "DOCS", name))[name]) for link in links]
        if docs[0] != docs[1]:
            lines.append(f"COMMAND DOCS {name.decode()}\n  redis {docs[0]}\n  kvs   {docs[1]}")
    for link in links:
        link.close()
    return lines, sorted(names[0] - names[1])
