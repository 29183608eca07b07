"""Links and special files as reparse points: what a store has, in the words of the wire, and back (MS-FSCC 2.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filesvc.fscc.reparse_point import (
    LxSymlink,
    NfsSpecialFile,
    NfsType,
    ReparseDataBuffer,
    ReparseTag,
    SymbolicLink,
    SymbolicLinkFlags,
)
from filesvc.interfaces import Creation, IFileStore, IOpenFile, ISpecialFileStore, Path, Special, SpecialType, Stat

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAGS: Final = {
    SpecialType.SYMLINK: ReparseTag.SYMLINK,
    SpecialType.FIFO: ReparseTag.LX_FIFO,
    SpecialType.SOCKET: ReparseTag.AF_UNIX,
    SpecialType.CHARACTER_DEVICE: ReparseTag.NFS,
    SpecialType.BLOCK_DEVICE: ReparseTag.NFS,
}
"""Those that say themselves what it is, so that listings tell, but for devices, whose numbers have a place in NFS's alone."""

_OF_TAGS: Final[Mapping[int, SpecialType]] = {
    ReparseTag.LX_FIFO: SpecialType.FIFO,
    ReparseTag.AF_UNIX: SpecialType.SOCKET,
    ReparseTag.LX_CHR: SpecialType.CHARACTER_DEVICE,
    ReparseTag.LX_BLK: SpecialType.BLOCK_DEVICE,
}
_OF_NFS: Final[Mapping[int, SpecialType]] = {
    NfsType.FIFO: SpecialType.FIFO,
    NfsType.SOCK: SpecialType.SOCKET,
    NfsType.CHR: SpecialType.CHARACTER_DEVICE,
    NfsType.BLK: SpecialType.BLOCK_DEVICE,
}


def reparse_tag(stat: Stat) -> int:
    """The tag of what a store knows something of; 0 if it is no reparse point."""
    return stat.reparse_tag if stat.special is None else _TAGS[stat.special]


def is_tag_of(tag: int, stat: Stat) -> bool:
    """Whether a client may mean a reparse point by a tag: for links and special files there are several."""
    if stat.special is None:
        return tag == stat.reparse_tag
    if tag == ReparseTag.NFS:
        return True
    if stat.special is SpecialType.SYMLINK:
        return tag in (ReparseTag.SYMLINK, ReparseTag.LX_SYMLINK)
    return _OF_TAGS.get(tag) is stat.special


def symbolic_link(target: str, posix: bool = False) -> SymbolicLink:
    """A link of the store's, for a client whose names are POSIX's or not. One from the root of the machine is for POSIX clients alone."""
    if target.startswith("/"):
        return SymbolicLink(target, target)
    name = target if posix else target.replace("/", "\\")
    return SymbolicLink(name, name, SymbolicLinkFlags.RELATIVE)


def reparse_buffer(special: Special, posix: bool = False) -> ReparseDataBuffer:
    """The reparse point that a link or special file is shown as, to a client whose names are POSIX's or not."""
    match special.type:
        case SpecialType.SYMLINK:
            data = symbolic_link(special.target, posix).encode()
        case SpecialType.CHARACTER_DEVICE:
            data = NfsSpecialFile(NfsType.CHR, "", special.major, special.minor).encode()
        case SpecialType.BLOCK_DEVICE:
            data = NfsSpecialFile(NfsType.BLK, "", special.major, special.minor).encode()
        case _:
            data = b""
    return ReparseDataBuffer(_TAGS[special.type], data)


def special_of(buffer: ReparseDataBuffer) -> Special | None:
    """
    What a client makes a reparse point of; C{None} for what a store has nothing for, as a link to a drive or another server.

    @raise MalformedMessage: the data is not what the tag says.
    """
    match buffer.tag:
        case ReparseTag.SYMLINK:
            return _link_of(SymbolicLink.parse(buffer.data))
        case ReparseTag.LX_SYMLINK:
            return Special(SpecialType.SYMLINK, LxSymlink.parse(buffer.data).target)
        case ReparseTag.NFS:
            file = NfsSpecialFile.parse(buffer.data)
            if file.nfs_type == NfsType.LNK:
                return Special(SpecialType.SYMLINK, file.target)
            nfs = _OF_NFS.get(file.nfs_type)
            return Special(nfs, "", file.major, file.minor) if nfs is not None else None
    kind = _OF_TAGS.get(buffer.tag)
    return Special(kind) if kind is not None else None


def _link_of(link: SymbolicLink) -> Special | None:
    relative = link.flags & SymbolicLinkFlags.RELATIVE
    if relative and not link.substitute_name.startswith("\\"):
        return Special(SpecialType.SYMLINK, link.substitute_name.replace("\\", "/"))
    if not relative and link.substitute_name.startswith("/"):
        return Special(SpecialType.SYMLINK, link.substitute_name)
    return None


def open_anything(store: IFileStore, path: Path) -> IOpenFile:
    """Open what is at a path for reading, or the link or special file that leads to nothing."""
    try:
        file: IOpenFile = store.open(path, Creation.EXISTING, None, False)
    except PermissionError:
        if not ISpecialFileStore.providedBy(store):
            raise
        file = store.open_path(path, False)
    return file
