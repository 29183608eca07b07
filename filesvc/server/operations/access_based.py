"""Listings and notifications that leave out what the user may not read (MS-SMB2 3.3.5.18, Share.DoAccessBasedDirectoryEnumeration)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.fscc.notify_information import FileNotifyInformation, NotifyAction
from filesvc.interfaces import Entry, IFileStore, IOpenFile, ISpecialFileStore, Path
from filesvc.server.access.rights import allowed_rights
from filesvc.server.errors import StatusError
from filesvc.server.files.listing import DOTS
from filesvc.server.files.special_files import open_anything

if TYPE_CHECKING:
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_READ = int(AccessMask.FILE_GENERIC_READ)
_GONE = frozenset({NotifyAction.REMOVED, NotifyAction.RENAMED_OLD_NAME, NotifyAction.REMOVED_STREAM})


async def select_readable(entries: list[Entry], directory: Open, descriptors: Descriptors) -> list[Entry]:
    """Those that the user of an open directory may read; a folder's leave to see the attributes of what is in it does not count."""
    if directory.privileged_rights & _READ:
        return entries
    return [entry for entry in entries if entry.name in DOTS or await _is_readable((*directory.path, entry.name), directory, descriptors)]


async def select_told(
    records: list[FileNotifyInformation], directory: Open, descriptors: Descriptors
) -> list[FileNotifyInformation] | None:
    """
    Those changes below an open directory of which its user may know the names.

    @return: C{None} if some are of names that are not there any more, so that it cannot be known: who lists anew sees what may be seen.
    """
    hides = directory.tree.is_access_based
    if directory.privileged_rights & _READ or not (hides or any("\\" in record.file_name for record in records)):
        return records
    told = []
    for record in records:
        path = (*directory.path, *record.file_name.split("\\"))
        try:
            listed = await _are_listed(path, directory, descriptors)
        except OSError:
            return None
        if listed and hides and record.action in _GONE:
            return None
        if listed and (not hides or await _is_readable((*path[:-1], path[-1].split(":")[0]), directory, descriptors)):
            told.append(record)
    return told


async def _are_listed(path: Path, directory: Open, descriptors: Descriptors) -> bool:
    """Whether a user may list the folders between an open directory and a path below it, and sees them there."""
    tree = directory.tree
    for depth in range(len(directory.path) + 1, len(path)):
        if not await descriptors.folder_access(tree, path[:depth]) & AccessMask.FILE_LIST_DIRECTORY:
            return False
        if tree.is_access_based and not await _is_readable(path[:depth], directory, descriptors):
            return False
    return True


def _open(store: IFileStore, path: Path) -> IOpenFile:
    """Open what is at a path to look at it, whatever leases others hold of it."""
    if not ISpecialFileStore.providedBy(store):
        return open_anything(store, path)
    try:
        file: IOpenFile = store.open_path(path, True)
    except PermissionError:
        file = store.open_path(path, False)
    return file


async def _is_readable(path: Path, directory: Open, descriptors: Descriptors) -> bool:
    tree = directory.tree
    try:
        file = await directory.run(_open, tree.store, path)
    except OSError:
        return False
    try:
        descriptor = await descriptors.of_file(tree, file)
    except (OSError, StatusError):
        return False
    finally:
        await tree.run(file.close)
    return not _READ & ~allowed_rights(descriptor, tree.session.token)
