"""What goes wrong on the way from a client's intention to its bytes."""

from __future__ import annotations

from random import Random

INTERESTING = (
    0,
    1,
    2,
    4,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
# Of the header, what decides how the message is taken apart, and not whether it is looked at at all.
_IDS = range(20, 48)


def mutate(random: Random, message: bytes) -> bytes:
    """A message with one or several things changed; most of its header's ids stay, so that it is looked into."""
    changed = bytearray(message)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        if not changed:
            break
        at = random.randrange(len(changed)) if random.random() < 0.5 else min(64 + random.randrange(64), len(changed) - 1)
        if at in _IDS and random.random() < 0.97:
            continue
        kind = random.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[at] = random.randrange(256)
        elif kind in (2, 3):
            size = random.choice((1, 2, 4, 8))
            at -= at % size
            value = random.choice(INTERESTING) & (1 << 8 * size) - 1
            changed[at : at + size] = value.to_bytes(size, "little")
        elif kind == 4:
            del changed[max(at, 64) :]
        else:
            changed += random.randbytes(random.choice((1, 8, 100)))
    return bytes(changed)


def pieces(random: Random, data: bytes) -> list[bytes]:
    """Data as it may arrive."""
    cuts = sorted({random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 3)))}) if data else []
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end]
