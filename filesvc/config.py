"""
What an operator asks for, in a file or in options: merged and judged before anything is opened.

Every value remembers who said it, so that a mistake names its place: C{/etc/filesvc.toml:12: share.docs.target: ...}.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filesvc.keys import SETTINGS, shown
from filesvc.server.settings import Encryption, Settings
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHARE_FORM = "NAME=TARGET[,ro][,guest][,hidden][,encrypt][,access-based]"

_SHARE_FLAGS = {"ro", "guest", "hidden", "encrypt", "access-based"}
_RESERVED_SHARES = {"ipc$", "pipe", "mailslot"}
_NOT_IN_SHARE_NAMES = re.compile(r'[\x00-\x1f"/\\\[\]:|<>+=;,*?]')
_SHARE_NAME_LENGTH = 80
_MESSAGE_ROOM = 64 * 1024
_FOR_THIS_HOST = re.compile(r"unix:|tcp6?:(.*:)?interface=(127\.|\\:\\:1(:|$))")


class ConfigError(Exception):
    """
    What is asked for cannot be done.

    @ivar mistakes: a sentence for each mistake, with the file, line and key or the option that holds it.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


@dataclass(slots=True, frozen=True)
class Said:
    """A value and who said it: a file's line and key, or an option."""

    value: str
    where: str


@dataclass(slots=True, frozen=True)
class ShareConfig:
    """A share that is asked for. C{where} says who asks."""

    name: str
    target: Said
    where: str
    read_only: bool = False
    guest: bool = False
    hidden: bool = False
    encrypt: bool = False
    comment: str = ""
    snapshots: str = ""
    continuous: bool = False
    access_based: bool = False
    time_machine: bool = False
    time_machine_size: int = 0


@dataclass(slots=True, frozen=True)
class Config:
    """All that is asked for. C{where} names the file, or the command."""

    where: str = "twistd filesvc"
    listen: tuple[Said, ...] = (Said("tcp:4450:interface=127.0.0.1", "the default"),)
    shares: tuple[ShareConfig, ...] = ()
    auth: tuple[Said, ...] = ()
    status: tuple[Said, ...] = ()
    settings: Settings = field(default_factory=Settings)


def override(
    config: Config,
    listen: Iterable[str],
    shares: Iterable[str],
    auth: Iterable[str],
    status: Iterable[str],
    settings: Mapping[str, object],
    mistakes: list[str],
) -> Config:
    """
    What is asked for when options were given as well: endpoints and checkers stand in place of the file's, a share
    in place of the one with its name, C{settings} (by their key) in place of each. What is not accepted is noted in C{mistakes}.
    """
    fields = {}
    for key, value in settings.items():
        name, kind = SETTINGS[key]
        try:
            fields[name] = kind.read(value)
        except ValueError:
            mistakes.append(f"--{key}: {shown(value)} is not accepted; give {kind.accepted}")
    added = []
    for text in shares:
        try:
            added.append(parse_share(text))
        except ValueError as error:
            mistakes.append(f"--share: {error}")
    replaced = {share.name.casefold() for share in added}
    return dataclasses.replace(
        config,
        listen=tuple(Said(text, "--listen") for text in listen) or config.listen,
        shares=(*(share for share in config.shares if share.name.casefold() not in replaced), *added),
        auth=tuple(Said(text, "--auth") for text in auth) or config.auth,
        status=tuple(Said(text, "--status") for text in status) or config.status,
        settings=dataclasses.replace(config.settings, **fields),
    )


def parse_share(text: str) -> ShareConfig:
    """
    The share that C{--share} asks for.

    Flags are taken off the end, so a comma may be part of the path: C{a=/srv/x,y,ro} shares C{/srv/x,y} read-only.

    @raise ValueError: if it has not that form.
    """
    name, equals, target = text.partition("=")
    flags = set()
    while (split := target.rpartition(","))[1] and split[2] in _SHARE_FLAGS:
        target = split[0]
        flags.add(split[2])
    if not equals or not name or not target:
        raise ValueError(f'"{text}" is not accepted; give {SHARE_FORM}')
    where = f"--share {name}"
    return ShareConfig(
        name,
        Said(target, where),
        where,
        read_only="ro" in flags,
        guest="guest" in flags,
        hidden="hidden" in flags,
        encrypt="encrypt" in flags,
        access_based="access-based" in flags,
    )


def judge(config: Config, mistakes: list[str]) -> None:
    """Note the mistakes of meaning: what is accepted alone, but not together with the rest."""
    settings = config.settings
    if settings.min_dialect > settings.max_dialect:
        mistakes.append(f"{config.where}: min-dialect is later than max-dialect, so no client could connect")
    if settings.encryption is Encryption.REQUIRED and settings.max_dialect < Dialect.SMB_3_0:
        mistakes.append(f'{config.where}: encrypt = "required" needs max-dialect 3.0 or later')
    if settings.limits.transfer + _MESSAGE_ROOM > settings.limits.frame:
        mistakes.append(
            f"{config.where}: limits.frame must be limits.transfer and {_MESSAGE_ROOM} bytes more, or a full write would not fit"
        )
    seen: dict[str, str] = {}
    for share in config.shares:
        folded = share.name.casefold()
        if wrong := _wrong_name(share.name):
            mistakes.append(f"{share.where}: {wrong}")
        elif folded in seen:
            mistakes.append(f'{share.where}: there is a share "{seen[folded]}" already, and share names do not tell case apart')
        seen.setdefault(folded, share.name)
        if share.time_machine_size and not share.time_machine:
            mistakes.append(f"{share.where}: says time-machine-size, which counts for backups only; say time-machine = true as well")
        if share.time_machine and share.read_only:
            mistakes.append(f"{share.where}: says time-machine, but nobody could back up to a share that is read-only")
        if share.continuous and not settings.state:
            mistakes.append(f"{share.where}: says continuous, which needs a folder to remember in; give state")
        if share.encrypt and settings.encryption is Encryption.OFF:
            mistakes.append(f'{share.where}: encryption is required here, but encrypt is "off" for the server')
        elif share.encrypt and settings.max_dialect < Dialect.SMB_3_0:
            mistakes.append(f"{share.where}: encryption is required here, which needs max-dialect 3.0 or later")
    # What seems missing may only be mistaken.
    if not mistakes:
        _judge_missing(config, mistakes)


def _judge_missing(config: Config, mistakes: list[str]) -> None:
    if not config.shares:
        mistakes.append(f"{config.where}: no share; add --share {SHARE_FORM}, or a table [share.NAME] to a --config file")
    elif not config.auth and not (config.settings.guest and any(share.guest for share in config.shares)):
        mistakes.append(
            f"{config.where}: nobody could log on; add --auth smbpasswd:FILE (filesvc passwd FILE USER writes one), "
            "or let guests in with --guest and the flag guest on a share"
        )


def _wrong_name(name: str) -> str | None:
    if name.casefold() in _RESERVED_SHARES:
        return f'"{name}" is reserved by the protocol; give the share another name'
    if not 1 <= len(name) <= _SHARE_NAME_LENGTH:
        return f"a share's name has 1 to {_SHARE_NAME_LENGTH} characters"
    if wrong := _NOT_IN_SHARE_NAMES.search(name):
        return f"{wrong[0]!r} cannot be in a share's name"
    return None


def describe(config: Config) -> str:
    """What is served, where and to whom, in a line."""
    shares = []
    for share in config.shares:
        words = {
            "read-only": share.read_only,
            "guests": share.guest,
            "hidden": share.hidden,
            "encrypted": share.encrypt,
            "by access": share.access_based,
        }
        shares.append(f"{share.name} ({', '.join([share.target.value, *(word for word, said in words.items() if said)])})")
    users = [said.value if said.value.startswith(("smbpasswd:", "kerberos:")) else said.value.partition(":")[0] for said in config.auth]
    whom = ["guests"] * config.settings.guest + ([f"the users of {', '.join(users)}"] if users else [])
    status = f"; status on {', '.join(said.value for said in config.status)}" if config.status else ""
    return f"{', '.join(shares)} on {', '.join(said.value for said in config.listen)} to {' and '.join(whom)}{status}"


def notes(config: Config) -> list[str]:
    """What is accepted, but perhaps not meant."""
    guests = [
        f"{share.where}: says guest, but guests get in only with --guest (guest = true) as well"
        for share in config.shares
        if share.guest and not config.settings.guest
    ]
    seen = [
        f"{said.where}: whoever reaches {said.value} sees the names of users and open files; add :interface=127.0.0.1, or give unix:PATH"
        for said in config.status
        if not _FOR_THIS_HOST.match(said.value)
    ]
    return guests + seen
