"""The keys of a configuration, which are the options' names as well, and what each accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from filesvc.auth.target_validation import TargetCheck
from filesvc.server.files.snapshots import check_pattern
from filesvc.server.settings import Encryption, Signing
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_NETBIOS_LENGTH = 15
_LARGEST_SIZE = 1 << 60


@dataclass(slots=True, frozen=True)
class Kind(Generic[T]):
    """A kind of value: C{read} returns it or raises C{ValueError}, C{accepted} says to people what is."""

    accepted: str
    read: Callable[[object], T]


def _exactly(kind: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if type(value) is not kind:
            raise ValueError
        return value

    return read


def _read_texts(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError
    return tuple(texts)


def _read_names(value: object) -> tuple[str, ...]:
    return _read_texts(value) if value != [] else ()


def _choice(values: Mapping[str, T]) -> Kind[T]:
    def read(value: object) -> T:
        if not isinstance(value, str) or value not in values:
            raise ValueError
        return values[value]

    return Kind("one of " + ", ".join(f'"{name}"' for name in values), read)


def _choice_of(enum: type[E]) -> Kind[E]:
    return _choice({member.value: member for member in enum})


def _whole(low: int, high: int) -> Kind[int]:
    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low} to {high}", read)


def _seconds(low: float, high: float) -> Kind[float]:
    def read(value: object) -> float:
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            raise ValueError
        return float(value)  # type: ignore[arg-type]

    return Kind(f"seconds from {low} to {high}", read)


def _netbios_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9-]{{0,{_NETBIOS_LENGTH - 1}}}", value):
        raise ValueError
    return value


def _target(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _snapshots(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 as all kinds do
    check_pattern(value)
    return value


_UNITS: Mapping[str, int] = {unit: 1 << 10 * power for power, unit in enumerate(["", "K", "M", "G", "T"])}
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = int(match[1]) * _UNITS[match[2]] if match is not None else 0
    if not 1 <= size <= _LARGEST_SIZE:
        raise ValueError
    return size


FLAG = Kind("true or false", _exactly(bool))
TEXT = Kind("a text in quotes", _exactly(str))
TARGET = Kind("a folder, or scheme:... for a store plugin", _target)
SNAPSHOTS = Kind("a path inside the share with fields of strftime in one name, such as .snapshots/%Y-%m-%d_%H%M", _snapshots)
SIZE = Kind('a size in quotes, in bytes or with K, M, G or T behind it, such as "1T"', _size)
TEXTS = Kind("a text in quotes, or a list of them", _read_texts)
NAMES = Kind("a name in quotes, or a list of them", _read_names)
NETBIOS_NAME = Kind(f"1 to {_NETBIOS_LENGTH} letters, digits and hyphens", _netbios_name)
DIALECT = _choice(
    {
        "2.0.2": Dialect.SMB_2_0_2,
        "2.1": Dialect.SMB_2_1,
        "3.0": Dialect.SMB_3_0,
        "3.0.2": Dialect.SMB_3_0_2,
        "3.1.1": Dialect.SMB_3_1_1,
    }
)
SIGNING = _choice_of(Signing)
TARGET_NAMES = _choice_of(TargetCheck)
ENCRYPT = _choice_of(Encryption)
SHARE_ENCRYPT = _choice({"required": True, "when-asked": False})

_MIB = 1024 * 1024
LIMITS: Mapping[str, Kind[Any]] = {
    "connections": _whole(1, 1_000_000),
    "strangers": _whole(1, 1_000_000),
    "frame": _whole(64 * 1024 + 4096, 16 * _MIB - 1),
    "transfer": _whole(64 * 1024, 8 * _MIB),
    "credits": _whole(128, 65535),
    "sessions": _whole(1, 65535),
    "channels": _whole(1, 65535),
    "trees": _whole(1, 65535),
    "opens": _whole(1, 10_000_000),
    "pipes": _whole(1, 65535),
    "parallel": _whole(1, 65535),
    "waiting": _whole(1, 65535),
    "backlog": _whole(64 * 1024, 1 << 40),
    "logon_timeout": _seconds(1, 3600),
    "shutdown_timeout": _seconds(0, 3600),
}
DATA_PATH: Mapping[str, Kind[Any]] = {
    "zero_copy": FLAG,
    "sendfile_minimum": _whole(0, 8 * _MIB),
    "recvfile_minimum": _whole(0, 8 * _MIB),
    "preflight_deadline": _seconds(0, 60),
    "stall_timeout": _seconds(0.01, 3600),
    "drain_memory": _whole(0, 1 << 40),
}
SETTINGS: Mapping[str, tuple[str, Kind[Any]]] = {
    "name": ("name", NETBIOS_NAME),
    "comment": ("comment", TEXT),
    "workgroup": ("workgroup", NETBIOS_NAME),
    "min-dialect": ("min_dialect", DIALECT),
    "max-dialect": ("max_dialect", DIALECT),
    "signing": ("signing", SIGNING),
    "encrypt": ("encryption", ENCRYPT),
    "guest": ("guest", FLAG),
    "state": ("state", TEXT),
    "keytab": ("keytab", TEXT),
    "administrators": ("administrators", NAMES),
    "target-names": ("target_names", TARGET_NAMES),
    "names": ("names", NAMES),
    "restrict-remote-sam": ("restrict_remote_sam", FLAG),
}
"""The keys, and options, that become a field of L{Settings}."""


def shown(value: object) -> str:
    """A value as it stands in a file, for a sentence about it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "a table" if isinstance(value, dict) else str(value)
