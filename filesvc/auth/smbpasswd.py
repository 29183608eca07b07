"""Users in smbpasswd(5) files, which Samba reads and writes too."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from filesvc.auth.names import account_key
from filesvc.auth.ntlm_crypto import nt_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"([^:]+):([0-9]+):([^:]{32}):([^:]{32}):\[([A-Z ]*)\]:.*")
_HASH = re.compile(r"[0-9A-Fa-f]{32}")
_NAME = re.compile(r"[^#:\\/\s\ud800-\udfff][^:\\/\x00-\x1f\x7f\ud800-\udfff]*(?<!\s)")
_NO_HASH = "X" * 32
_NO_UNIX_USER = 65534


class MalformedFile(ValueError):
    """A line of a file breaks smbpasswd(5). The text names the file and the line."""


@dataclass(slots=True, frozen=True)
class Entry:
    """
    One account.

    @ivar nt_hash: of the password; C{None} if there is none.
    @ivar flags: letters: U for a user, D for disabled, L for locked, N for no password, and others.
    """

    name: str
    uid: int
    nt_hash: bytes | None = field(repr=False)
    flags: str

    @classmethod
    def parse(cls, line: str) -> Entry | None:
        """
        Read a line; C{None} for a comment or an empty one.

        @raise ValueError: it is neither.
        """
        if not line.strip() or line.startswith("#"):
            return None
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("this is not name:uid:LM hash:NT hash:[flags]:LCT-time:")
        name, uid, _, digest, flags = match.groups()
        return cls(name, int(uid), bytes.fromhex(digest) if _HASH.fullmatch(digest) else None, flags.replace(" ", ""))

    def format(self) -> str:
        """The line, saying that the password was changed now. The LM hash, which is worthless, is left out."""
        digest = _NO_HASH if self.nt_hash is None else self.nt_hash.hex().upper()
        return f"{self.name}:{self.uid}:{_NO_HASH}:{digest}:[{self.flags:11}]:LCT-{int(time.time()):08X}:"

    @property
    def may_log_on(self) -> bool:
        """It is a user's and not a computer's, neither disabled nor locked, and has a password."""
        return self.nt_hash is not None and "U" in self.flags and not set("DLN") & set(self.flags)


def read_entries(data: bytes, path: str) -> dict[str, Entry]:
    """
    The accounts in a file's content, by L{account_key}.

    @param path: how to call the file.
    @raise MalformedFile: a line is none that smbpasswd(5) knows, or an account is there twice.
    """
    return {key: entry for key, (_, entry) in _numbered_entries(data.split(b"\n"), path).items()}


def set_password(path: str | os.PathLike[str], user: str, password: str) -> None:
    """
    Give a user a password, adding the user, and the file, if need be. Nobody ever sees half of the change.

    @raise ValueError: the name or the password cannot be used, or the file is malformed (L{MalformedFile}).
    @raise OSError: the file cannot be read or written.
    """
    if not _NAME.fullmatch(user):
        raise ValueError(f"{user!r} cannot be a user's name")
    if not password:
        raise ValueError("an empty password cannot be used")
    digest = nt_hash(password)
    with _changing(path, os.O_CREAT) as lines:
        found = _numbered_entries(lines, os.fspath(path)).get(account_key(user))
        if found:
            number, entry = found
            lines[number] = replace(entry, nt_hash=digest, flags=entry.flags.replace("N", "")).format().encode()
        else:
            # What follows the last line's end is empty, or a line without an end.
            lines.insert(len(lines) if lines[-1] else -1, Entry(user, _unix_uid(user), digest, "U").format().encode())


def remove_user(path: str | os.PathLike[str], user: str) -> None:
    """
    Remove a user.

    @raise KeyError: there is no such user.
    @raise MalformedFile: the file is malformed.
    @raise OSError: the file cannot be read or written.
    """
    with _changing(path) as lines:
        number, _ = _numbered_entries(lines, os.fspath(path))[account_key(user)]
        del lines[number]


def _numbered_entries(lines: list[bytes], path: str) -> dict[str, tuple[int, Entry]]:
    found: dict[str, tuple[int, Entry]] = {}
    for number, line in enumerate(lines):
        try:
            entry = Entry.parse(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise MalformedFile(f"{path}, line {number + 1}: this is not UTF-8") from None
        except ValueError as error:
            raise MalformedFile(f"{path}, line {number + 1}: {error}") from None
        if entry is None:
            continue
        key = account_key(entry.name)
        if key in found:
            raise MalformedFile(f"{path}, line {number + 1}: {entry.name} is on line {found[key][0] + 1} already")
        found[key] = number, entry
    return found


def _unix_uid(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return _NO_UNIX_USER


@contextmanager
def _changing(path: str | os.PathLike[str], flags: int = 0) -> Iterator[list[bytes]]:
    """Give the lines of a file; what has become of them takes its place. Locked against others, and Samba, meanwhile."""
    target = os.path.realpath(path)
    fd = _open_locked(target, flags)
    try:
        with open(fd, "rb", closefd=False) as file:
            lines = file.read().split(b"\n")
        yield lines
        if lines[-1]:
            lines.append(b"")
        _replace(target, b"\n".join(lines), os.fstat(fd))
    finally:
        os.close(fd)


def _open_locked(target: str, flags: int) -> int:
    while True:
        fd = os.open(target, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(target)):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        # While this waited for the lock, whoever held it put another file in the place of this one.
        os.close(fd)


def _replace(target: str, content: bytes, old: os.stat_result) -> None:
    """Put a file with this content in the place of one, with the same owner and group, readable for nobody else."""
    directory = os.path.dirname(target)
    fd, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(target)}.")
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(fd, old.st_uid, old.st_gid)
            os.fchmod(fd, stat.S_IMODE(old.st_mode) & 0o660)
            os.fsync(fd)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
