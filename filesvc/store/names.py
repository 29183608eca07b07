"""
Names on disk and names on the wire.

On disk a name is of any bytes but NUL and C{/}, nearly always UTF-8, and as long as the file system takes. On the wire it is UTF-16 without
the characters that Windows reserves. Both sets of odd names are kept and told apart:

  - Reserved and control characters, and a dot or space at the end, appear as the private-use characters of Services for Macintosh
    (U+F001 to U+F029), which macOS and Linux clients (C{mapposix}) turn back into the real ones.
  - A byte that is no UTF-8 appears as U+EF00 plus the byte (U+EF80 to U+EFFF, the range that OPTU-8 uses for this).
  - A surrogate that stands alone, which UTF-16 allows a client to send, is three bytes on disk, as in WTF-8.

A name on disk that holds such private-use characters of its own appears byte by byte, so that no two names on disk look alike.
"""

from __future__ import annotations

import errno
import os
import re
import string
from typing import Final

from filesvc.interfaces import ParentNotFound

LONGEST: Final = 255
"""UTF-16 code units in a name on the wire (MS-FSCC 2.1.5)."""

_RESERVED = '"*:<>?\\|'
_TO_PRIVATE = {chr(code): chr(0xF000 + code) for code in range(1, 0x20)} | {char: chr(0xF020 + i) for i, char in enumerate(_RESERVED)}
_FROM_PRIVATE = {private: char for char, private in _TO_PRIVATE.items()}
_LAST_TO_PRIVATE = {" ": "\uf028", ".": "\uf029"}
_FROM_PRIVATE_LAST = {private: char for char, private in _LAST_TO_PRIVATE.items()}
_ALL_TO_PRIVATE = _TO_PRIVATE | _LAST_TO_PRIVATE
_ALL_FROM_PRIVATE = _FROM_PRIVATE | _FROM_PRIVATE_LAST

_OURS = r"[\x01-\x1f\"*:<>?\\|]|[. ]\Z"
_THEIRS = r"[\uef80-\uefff\uf001-\uf027]|[\uf028\uf029]\Z"
# Bytes that are no UTF-8, as Python's surrogateescape writes them: U+DC00 plus the byte.
_PAIR = r"\udced[\udca0-\udcaf][\udc80-\udcbf]\udced[\udcb0-\udcbf][\udc80-\udcbf]"
_SURROGATE = r"\udced[\udca0-\udcbf][\udc80-\udcbf]"

_PLAIN = (string.ascii_letters + string.digits + " !#$%&'()+,-.;=@[]^_`{}~").encode()

_UNUSUAL_ON_DISK = re.compile(f"{_OURS}|{_THEIRS}")
_ON_DISK = re.compile(f"(?P<pair>{_PAIR})|(?P<surrogate>{_SURROGATE})|(?P<bytes>[\\udc80-\\udcff]|{_THEIRS})|(?P<reserved>{_OURS})")
_UNUSUAL_ON_WIRE = re.compile(rf"[\x00-\x1f\"*:<>?\\|/\ud800-\udfff]|{_THEIRS}|\A\.{{0,2}}\Z")
_ON_WIRE = re.compile(rf"[\ud800-\udfff]|{_THEIRS}")

SERVERS_OWN: Final = ".filesvc"
"""The folder at the root of a share that no client sees or reaches."""
DESCRIPTOR_XATTR: Final = "filesvc.sd"
"""The named value that a security descriptor is kept as: self-relative (MS-DTYP 2.4.6), as it is; or whose the file is, and no more."""
OWNER_LENGTH: Final = 5
"""The bytes of what says no more. A descriptor is longer."""


def _is_plain(name: bytes) -> bool:
    """Whether a name is the same on disk and on the wire, as nearly all are. In a third of the time of the expressions."""
    return not name.translate(None, _PLAIN) and name[-1:] not in (b".", b" ", b"")


def from_disk(name: bytes) -> str:
    """
    The name that clients see. L{to_disk} gives back C{name}, whatever it is.
    """
    if _is_plain(name):
        return name.decode()
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode(errors="surrogateescape")
    else:
        if not _UNUSUAL_ON_DISK.search(text):
            return text
    return _ON_DISK.sub(_show, text)


def _show(match: re.Match[str]) -> str:
    text = match[0]
    if match.lastgroup == "reserved":
        return _ALL_TO_PRIVATE[text]
    raw = text.encode(errors="surrogateescape")
    if match.lastgroup == "surrogate":
        return raw.decode(errors="surrogatepass")
    return "".join(chr(0xEF00 + byte) for byte in raw)


def to_disk(name: str) -> bytes:
    """
    The name on disk for one that a client sent.

    @raise ParentNotFound: for C{.} and C{..}, however they are spelled.
    @raise OSError: C{EINVAL} for a name that no listing can show: one that is empty or holds a slash, a NUL, a reserved character or
        private characters that stand for something else. C{ENAMETOOLONG} for one over L{LONGEST}; fewer may be too many for a file system.
    """
    plain = name.isascii() and _is_plain(name.encode())
    disk = name.encode() if plain or not _UNUSUAL_ON_WIRE.search(name) else _unusual_to_disk(name)
    if len(disk) > LONGEST and len(name.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name)
    return disk


def _unusual_to_disk(name: str) -> bytes:
    disk = _ON_WIRE.sub(_unshow, name).encode(errors="surrogateescape")
    if disk in (b".", b".."):
        raise ParentNotFound(errno.ENOENT, os.strerror(errno.ENOENT), name)
    shown = from_disk(disk)
    if not disk or b"/" in disk or b"\0" in disk or shown not in (name, name[:-1] + _LAST_TO_PRIVATE.get(name[-1], "")):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    return disk


def _unshow(match: re.Match[str]) -> str:
    char = match[0]
    if char in _ALL_FROM_PRIVATE:
        return _ALL_FROM_PRIVATE[char]
    if char >= "\uef80":
        return chr(ord(char) - 0xEF00 + 0xDC00)
    return char.encode(errors="surrogatepass").decode(errors="surrogateescape")


_NO_NAMES = ("", ".", "..", b"", b".", b"..")


def target_from_disk(target: bytes) -> str:
    """The target of a link, its names as clients see them."""
    return "/".join(part.decode() if part in _NO_NAMES else from_disk(part) for part in target.split(b"/"))


def target_to_disk(target: str) -> bytes:
    """
    The target on disk for one that L{target_from_disk} gives or a client sent.

    @raise OSError: as L{to_disk}; C{EINVAL} for an empty one.
    """
    if not target:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), target)
    return b"/".join(part.encode() if part in _NO_NAMES else to_disk(part) for part in target.split("/"))


_LONE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile(r"[\uef80-\uefff]+")


def from_posix(name: str) -> str:
    """
    The name that other clients see, for one that a POSIX client gives: any characters but C{/} and NUL.

    @raise OSError: C{EINVAL} for what is no name.
    """
    disk = _ESCAPED.sub(lambda match: "".join(chr(ord(char) - 0xEF00 + 0xDC00) for char in match[0]), name)
    encoded = disk.encode(errors="surrogateescape") if not _LONE.search(disk) else disk.encode(errors="surrogatepass")
    if not encoded or b"/" in encoded or b"\0" in encoded or encoded in (b".", b".."):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    return from_disk(encoded)


def to_posix(name: str) -> str:
    """The name that a POSIX client sees, for one that others see. A byte that is no UTF-8 is a private character for both."""
    shown = to_disk(name).decode(errors="surrogateescape")
    return "".join(chr(ord(char) - 0xDC00 + 0xEF00) if "\udc80" <= char <= "\udcff" else char for char in shown)
