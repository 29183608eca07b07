"""
Listings for Macs (SMBClient, ReadDirAttr): FinderInfo and resource fork's length stand in the place of the short name, what the user may do
in that of the size of the extended attributes, and the mode in a reserved field.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.apple.afp_info import FINDER_INFO_SIZE, listed_finder_info
from filesvc.apple.apple_double import PREFIX as BESIDE
from filesvc.fscc.directory_information import MacDirectoryEntry
from filesvc.interfaces import Creation, Entry, IFileStore, IOpenFile, Kind, SpecialType
from filesvc.server.access.nfs_entries import posix_mode
from filesvc.server.access.ownership import effective_descriptor
from filesvc.server.access.rights import allowed_rights
from filesvc.server.errors import StatusError
from filesvc.server.files.afp_streams import AFP_INFO, AFP_RESOURCE, AfpInfoFile, stream_file
from filesvc.server.files.foreign_streams import NETATALK_METADATA, NETATALK_RESOURCE, ForeignStreams
from filesvc.server.files.listing import DOTS
from filesvc.server.files.network_times import network_times
from filesvc.server.files.streams import PREFIX, SUFFIX, find_stream
from filesvc.store.names import DESCRIPTOR_XATTR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filesvc.dtyp.security_descriptor import SecurityDescriptor
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_CARRIES = frozenset({f"{PREFIX}{AFP_INFO}{SUFFIX}", f"{PREFIX}{AFP_RESOURCE}{SUFFIX}", NETATALK_METADATA, NETATALK_RESOURCE})


@dataclass(slots=True)
class MacEntry:
    """An entry, with what a Mac's file has besides its data, and what the user may do with it."""

    entry: Entry
    finder_info: bytes = bytes(FINDER_INFO_SIZE)
    fork_length: int = 0
    maximal_access: int = 0

    def wire(self) -> MacDirectoryEntry:
        """The same in the words of the wire."""
        stat = self.entry.stat
        return MacDirectoryEntry(
            self.entry.name,
            **network_times(stat),
            ea_size=self.maximal_access,
            reserved2=posix_mode(stat),
            fork_length=self.fork_length,
            finder_info=listed_finder_info(self.finder_info, stat.kind is Kind.DIRECTORY),
        )


async def describe(entries: Sequence[Entry], directory: Open, descriptors: Descriptors) -> list[MacEntry]:
    """Entries of an open directory as Macs want them."""
    tree = directory.tree
    with directory.busy():
        described = await tree.run_in_thread(_read_all, tree.store, directory.file, entries)
    above = await descriptors.of_folder(tree, directory.path)
    for one in described:
        one.maximal_access = await _maximal_access(one.entry, directory, above, descriptors)
    return described


async def _maximal_access(entry: Entry, directory: Open, above: SecurityDescriptor, descriptors: Descriptors) -> int:
    """What the user may do with an entry; it is looked at if it has a descriptor of its own, or may be elsewhere."""
    tree, stat = directory.tree, entry.stat
    if entry.problem is not None:
        return 0
    if entry.name in DOTS or (DESCRIPTOR_XATTR not in entry.xattrs and stat.special is not SpecialType.SYMLINK):
        token = tree.session.token
        descriptor = above if entry.name in DOTS else effective_descriptor(None, above, stat, token)
        return tree.maximal_access & allowed_rights(descriptor, token)
    try:
        file = await directory.run(tree.store.open, (*directory.path, entry.name), Creation.EXISTING, None, False)
    except OSError:
        return 0
    try:
        return await descriptors.maximal_access(tree, file)
    except (OSError, StatusError):
        return 0
    finally:
        await tree.run(file.close)


def _read_all(store: IFileStore, directory: IOpenFile, entries: Sequence[Entry]) -> list[MacEntry]:
    return [_read(store, directory, entry) for entry in entries]


def _read(store: IFileStore, directory: IOpenFile, entry: Entry) -> MacEntry:
    """What a Mac has kept with an entry. Nothing, where that cannot be read: the entry is listed all the same."""
    described = MacEntry(entry)
    if entry.name not in DOTS and (not _CARRIES.isdisjoint(entry.xattrs) or _has_beside(directory, entry.name)):
        with suppress(OSError):
            file = store.open((*directory.path, entry.name), Creation.EXISTING, None, False)
            try:
                _fill(described, store, file)
            finally:
                file.close()
    return described


def _has_beside(directory: IOpenFile, name: str) -> bool:
    if name.startswith(BESIDE):
        return False
    try:
        directory.entry(BESIDE + name)
    except OSError:
        return False
    return True


def _fill(described: MacEntry, store: IFileStore, file: IOpenFile) -> None:
    foreign = ForeignStreams.of(store, file)
    described.finder_info = foreign.read_finder_info() or described.finder_info
    described.fork_length = foreign.sizes().get(AFP_RESOURCE, 0)
    for name in (AFP_INFO, AFP_RESOURCE):
        kept = find_stream(file, name)
        if kept is None:
            continue
        stream = stream_file(store, file, kept)
        try:
            if isinstance(stream, AfpInfoFile):
                described.finder_info = stream.info().finder_info
            else:
                described.fork_length = stream.size()
        finally:
            stream.let_go()
