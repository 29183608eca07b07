"""A configuration file, in TOML."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from filesvc.config import Config, Said, ShareConfig
from filesvc.keys import DATA_PATH, FLAG, LIMITS, NAMES, SETTINGS, SHARE_ENCRYPT, SIZE, SNAPSHOTS, TARGET, TEXT, TEXTS, Kind, shown
from filesvc.server.settings import DataPathSettings, Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r"(.*) \(at line ([0-9]+), column [0-9]+\)", re.DOTALL)


def read(path: str, mistakes: list[str]) -> Config:
    """What a TOML file asks for. What is not accepted is left at its default and noted in C{mistakes}."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read().replace("\r\n", "\n")
        top = _Table(_Source(path, text), (), tomllib.loads(text))
    except OSError as error:
        mistakes.append(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        mistakes.append(f"{path}: not UTF-8, which TOML must be")
    except tomllib.TOMLDecodeError as error:
        mistakes.append(_not_toml(path, str(error)))
    else:
        config = _read(path, top)
        mistakes.extend(mistake for _, mistake in sorted(top.source.mistakes))
        return config
    return Config(where=path)


def _not_toml(path: str, message: str) -> str:
    """With the line where all mistakes have it."""
    found = _PLACE.fullmatch(message)
    return f"{path}:{found[2]}: not TOML: {found[1]}" if found else f"{path}: not TOML: {message}"


def _read(path: str, top: _Table) -> Config:
    config = Config(
        where=path,
        listen=_said(top, "listen") or Config().listen,
        shares=_shares(top),
        auth=_said(top, "auth"),
        status=_said(top, "status"),
        settings=Settings(
            **top.fields(SETTINGS),
            groups=_groups(top),
            limits=Limits(**_section(top, "limits", LIMITS)),
            data_path=DataPathSettings(**_section(top, "data-path", DATA_PATH)),
        ),
    )
    top.finish()
    return config


def _said(top: _Table, name: str) -> tuple[Said, ...]:
    texts = top.get(name, TEXTS) or ()
    return tuple(Said(text, top.source.where((name,))) for text in texts)


def _section(top: _Table, name: str, kinds: Mapping[str, Kind[Any]]) -> dict[str, Any]:
    table = top.table(name)
    given = table.fields({field.replace("_", "-"): (field, kind) for field, kind in kinds.items()})
    table.finish()
    return given


def _groups(top: _Table) -> dict[str, tuple[str, ...]]:
    table = top.table("groups")
    return {name: table.get(name, NAMES) or () for name in table.values}


def _shares(top: _Table) -> tuple[ShareConfig, ...]:
    tables, source = top.table("share"), top.source
    shares = []
    for name in tables.values:
        table = tables.table(name)
        target = table.get("target", TARGET)
        given = table.fields(
            {
                "ro": ("read_only", FLAG),
                "guest": ("guest", FLAG),
                "hidden": ("hidden", FLAG),
                "continuous": ("continuous", FLAG),
                "access-based": ("access_based", FLAG),
                "encrypt": ("encrypt", SHARE_ENCRYPT),
                "comment": ("comment", TEXT),
                "snapshots": ("snapshots", SNAPSHOTS),
                "time-machine": ("time_machine", FLAG),
                "time-machine-size": ("time_machine_size", SIZE),
            }
        )
        table.finish()
        if isinstance(tables.values[name], dict) and "target" not in table.values:
            source.note(table.key, f"no target; give {TARGET.accepted}")
        shares.append(ShareConfig(name, Said(target or "", source.where((*table.key, "target"))), source.where(table.key), **given))
    return tuple(shares)


class _Source:
    """One TOML file, and the mistakes found in it so far, by line."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.mistakes: list[tuple[int, str]] = []
        self._lines = _lines_of_keys(text)

    def _line(self, key: tuple[str, ...]) -> int:
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)

    def where(self, key: tuple[str, ...]) -> str:
        dotted = ".".join(part if _BARE_KEY.fullmatch(part) else f'"{part}"' for part in key)
        return f"{self.path}:{self._line(key)}: {dotted}"

    def note(self, key: tuple[str, ...], mistake: str) -> None:
        self.mistakes.append((self._line(key), f"{self.where(key)}: {mistake}"))


def _lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    # tomllib tells no positions, but each statement of valid TOML is valid alone: a run of lines is one as soon as it parses.
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            keys = list(_keys(tomllib.loads(statement)))
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = keys[-1]
        else:
            keys = [(*table, *key) for key in keys]
        for key in keys:
            found.setdefault(key, start)
        statement, start = "", number + 1
    return found


def _keys(value: object) -> Iterator[tuple[str, ...]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            for name, below in item.items():
                yield (name,)
                yield from ((name, *key) for key in _keys(below))


class _Table:
    """One table of a file, read key by key; what nobody asked for is a mistake."""

    def __init__(self, source: _Source, key: tuple[str, ...], values: Mapping[str, object]) -> None:
        self.source = source
        self.key = key
        self.values = values
        self.known: list[str] = []

    def get(self, name: str, kind: Kind[T]) -> T | None:
        """The value of a key, C{None} if it is not there or not accepted."""
        self.known.append(name)
        if name not in self.values:
            return None
        value = self.values[name]
        try:
            return kind.read(value)
        except ValueError:
            self.source.note((*self.key, name), f"{shown(value)} is not accepted; give {kind.accepted}")
            return None

    def fields(self, keys: Mapping[str, tuple[str, Kind[Any]]]) -> dict[str, Any]:
        """The fields that these keys set."""
        given = {field: self.get(name, kind) for name, (field, kind) in keys.items()}
        return {field: value for field, value in given.items() if value is not None}

    def table(self, name: str) -> _Table:
        """A table below, an empty one if it is not there."""
        self.known.append(name)
        value = self.values.get(name, {})
        if not isinstance(value, dict):
            self.source.note((*self.key, name), f"{shown(value)} is not accepted; give a table")
            value = {}
        return _Table(self.source, (*self.key, name), value)

    def finish(self) -> None:
        """Note the keys that mean nothing here."""
        for name in self.values:
            if name not in self.known:
                near = get_close_matches(name, self.known, 1)
                meant = f"did you mean {near[0]}? " if near else ""
                self.source.note((*self.key, name), f"no such key; {meant}accepted: {', '.join(sorted(self.known))}")
