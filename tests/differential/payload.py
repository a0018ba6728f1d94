"""Payloads of DUMP and RESTORE, made here: RDB string encodings, an LZF packer, CRC-64 as Redis uses it."""

POLYNOMIAL = 0x95AC9329AC4BC9B5  # "Jones", reflected


def _table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def length(n, form):
    """@n as an RDB length: form 6, 14, 32 or 64 bits."""
    if form == 6:
        return bytes([n & 0x3F])
    if form == 14:
        return bytes([0x40 | (n >> 8) & 0x3F, n & 0xFF])
    if form == 32:
        return b"\x80" + n.to_bytes(4, "big")
    return b"\x81" + n.to_bytes(8, "big")


def smallest_form(n):
    return 6 if n < 64 else 14 if n < 16384 else 32


def pack(data, rng):
    """LZF: literal runs, and matches found by looking for the last three bytes seen before. Not the best, but all forms."""
    out = bytearray()
    literals = bytearray()
    seen = {}
    pos = 0

    def flush():
        while literals:
            run = literals[:32]
            out.append(len(run) - 1)
            out.extend(run)
            del literals[:32]

    while pos < len(data):
        key = data[pos : pos + 3]
        before = seen.get(key)
        seen[key] = pos
        if len(key) == 3 and before is not None and pos - before <= 8192 and rng.random() < 0.9:
            limit = min(264, len(data) - pos)
            match = 3
            while match < limit and data[before + match] == data[pos + match]:
                match += 1
            flush()
            distance = pos - before - 1
            if match <= 8:
                out.append(((match - 2) << 5) | (distance >> 8))
            else:
                out.append((7 << 5) | (distance >> 8))
                out.append(match - 9)
            out.append(distance & 0xFF)
            pos += match
        else:
            literals.append(data[pos])
            pos += 1
    flush()
    return bytes(out)


def body(rng, value):
    """The value of one string key, in an encoding that fits it, behind its type byte."""
    kind = rng.randrange(4)
    try:
        number = int(value) if value.isdigit() else None
    except ValueError:
        number = None
    if number is not None and number < 2**31 and kind != 3:
        size = 1 if number < 128 else 2 if number < 2**15 else 4
        size = rng.choice([s for s in (1, 2, 4) if s >= size])
        return b"\0" + bytes([0xC0 | (size // 2)]) + number.to_bytes(size, "little", signed=True)
    if kind == 0 and len(value) > 4:
        packed = pack(value, rng)
        if packed:
            return (
                b"\0\xc3"
                + length(len(packed), smallest_form(len(packed)))
                + length(len(value), smallest_form(len(value)))
                + packed
            )
    form = smallest_form(len(value))
    return b"\0" + length(len(value), rng.choice([form, form, 32, 64])) + value


def payload(rng, value):
    text = body(rng, value) + rng.choice([10, 10, 9, 6]).to_bytes(2, "little")
    return text + crc64(text).to_bytes(8, "little")


def broken(rng, value):
    """A payload that must be refused: another checksum, version, length, distance, or cut short; with a good checksum or not."""
    text = bytearray(payload(rng, value))
    how = rng.randrange(5)
    if how == 0:
        text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
        return bytes(text)
    if how == 1:
        return bytes(text[: rng.randrange(len(text))])
    inner = text[:-10]
    # Not: cut short with a good checksum. Redis then reads on into the checksum, and may find enough there.
    if how == 2:
        inner = bytearray(b"\x63") + inner[1:]
    elif how == 3:
        inner[1:2] = bytes([rng.choice([0xC4, 0x82, 0xFF])])
    else:
        inner += b"more"
    text = bytes(inner) + rng.choice([b"\x0a\0", b"\x63\0"])
    return text + crc64(text).to_bytes(8, "little")
