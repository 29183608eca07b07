"""Listings that leave out what the user may not read (MS-SMB2 3.3.5.18, Share.DoAccessBasedDirectoryEnumeration)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.interfaces import Entry, FileBusy
from filesvc.server.access.rights import allowed_rights
from filesvc.server.errors import StatusError
from filesvc.server.files.listing import DOTS
from filesvc.server.files.special_files import open_anything

if TYPE_CHECKING:
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_READ = int(AccessMask.FILE_GENERIC_READ)


async def select_readable(entries: list[Entry], directory: Open, descriptors: Descriptors) -> list[Entry]:
    """Those that the user of an open directory may read; a folder's leave to see the attributes of what is in it does not count."""
    if directory.privileged_rights & _READ:
        return entries
    return [entry for entry in entries if entry.name in DOTS or await _is_readable(entry.name, directory, descriptors)]


async def _is_readable(name: str, directory: Open, descriptors: Descriptors) -> bool:
    tree = directory.tree
    try:
        file = await directory.run(open_anything, tree.store, (*directory.path, name))
    except FileBusy:
        return True
    except OSError:
        return False
    try:
        descriptor = await descriptors.of_file(tree, file)
    except StatusError:
        return False
    finally:
        await tree.run(file.close)
    return not _READ & ~allowed_rights(descriptor, tree.session.token)
