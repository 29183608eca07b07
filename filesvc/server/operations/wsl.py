"""What the Windows Subsystem for Linux keeps with files: owner, group and mode as extended attributes."""

from __future__ import annotations

import stat as posix
from struct import Struct
from typing import Final

from filesvc.fscc.ea import FullEa
from filesvc.interfaces import SpecialType, Stat
from filesvc.server.operations.posix import settable_mode

WSL_PREFIX: Final = "$LX"
WSL_MODE: Final = "$LXMOD"
_WSL_USER: Final = "$LXUID"
_WSL_GROUP: Final = "$LXGID"
_UINT32: Final = Struct("<I")
_FORMATS: Final = {
    SpecialType.SYMLINK: posix.S_IFLNK,
    SpecialType.FIFO: posix.S_IFIFO,
    SpecialType.SOCKET: posix.S_IFSOCK,
    SpecialType.CHARACTER_DEVICE: posix.S_IFCHR,
    SpecialType.BLOCK_DEVICE: posix.S_IFBLK,
}


def wsl_attributes(stat: Stat) -> list[FullEa]:
    """The attributes that tell of a link or special file what is true of it on this machine."""
    kind = posix.S_IFREG if stat.special is None else _FORMATS[stat.special]
    values = {_WSL_USER: stat.uid, _WSL_GROUP: stat.gid, WSL_MODE: kind | posix.S_IMODE(stat.mode)}
    return [FullEa(name, _UINT32.pack(value)) for name, value in values.items() if value is not None]


def wsl_mode(value: bytes | None) -> int | None:
    """The permissions that a client may give a special file, by the value of L{WSL_MODE}; C{None} for what is none."""
    if value is None or len(value) != _UINT32.size:
        return None
    return settable_mode(posix.S_IMODE(*_UINT32.unpack(value)), False)
