"""What a store knows of a file, in the words of the SMB3 POSIX Extensions."""

from __future__ import annotations

from typing import Final

from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import unix_group, unix_user
from filesvc.fscc.posix_information import FilePosixInformation, PosixOwnership, PosixType, wire_mode
from filesvc.interfaces import Kind, SpecialType, Stat
from filesvc.server.files.network_times import network_times
from filesvc.server.files.special_files import reparse_tag

_NOBODY: Final = Sid(0, (0,))
_TYPES: Final = {
    SpecialType.SYMLINK: PosixType.SYMLINK,
    SpecialType.CHARACTER_DEVICE: PosixType.CHARACTER_DEVICE,
    SpecialType.BLOCK_DEVICE: PosixType.BLOCK_DEVICE,
    SpecialType.FIFO: PosixType.FIFO,
    SpecialType.SOCKET: PosixType.SOCKET,
}
_OF_FILES: Final = 0o1777
_OF_DIRECTORIES: Final = 0o3777


def posix_ownership(stat: Stat) -> PosixOwnership:
    """Links, tag, mode, owner and group of a file; nobody's where the store knows none."""
    kind = PosixType.DIRECTORY if stat.kind is Kind.DIRECTORY else PosixType.FILE
    return PosixOwnership(
        stat.links,
        reparse_tag(stat),
        wire_mode(_TYPES[stat.special] if stat.special is not None else kind, stat.mode),
        _NOBODY if stat.uid is None else unix_user(stat.uid),
        _NOBODY if stat.gid is None else unix_group(stat.gid),
    )


def posix_information(stat: Stat) -> FilePosixInformation:
    """All of it. A link is as long as its target, as POSIX has it."""
    times = network_times(stat)
    return FilePosixInformation(
        times["creation_time"],
        times["last_access_time"],
        times["last_write_time"],
        times["change_time"],
        0 if stat.kind is Kind.DIRECTORY else stat.size,
        times["allocation_size"],
        times["file_attributes"],
        stat.identity.inode & 0xFFFFFFFFFFFFFFFF,
        stat.identity.device & 0xFFFFFFFF,
        posix_ownership(stat),
    )


def settable_mode(mode: int, directory: bool) -> int:
    """The permissions that a client may give what it makes: nothing that lets others act as its owner."""
    return mode & (_OF_DIRECTORIES if directory else _OF_FILES)
