"""Shares that Macs back up to: how full they look, and what discovery tells of them (Apple's Time Machine Over SMB Specification)."""

from __future__ import annotations

import plistlib
import re
from dataclasses import replace
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from filesvc.interfaces import Creation, IFileStore, IOpenFile, Kind, Path, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

ADISK_SERVICE: Final = "_adisk._tcp"
"""The type of the DNS service by which Macs find shares to back up to."""

_BUNDLE = re.compile(r".*\.(?:sparsebundle|backupbundle)", re.IGNORECASE)
_BLOCK = 1024
_SETTLED_NS = 1_000_000_000
_MAX_PROPERTIES = 64 << 10
_BAND_SIZE = re.compile(rb"<key>\s*band-size\s*</key>\s*<integer>\s*([0-9]{1,12})\s*</integer>")
_VOLUME_FLAGS = 0x82
"""Of adVF: it is there over SMB (0x80), and takes Time Machine's backups (0x2)."""
_HOST_FLAGS = 0x100

# The size of a bundle, for the time at which its folder of bands was last changed.
_counted: WeakKeyDictionary[IFileStore, dict[Path, tuple[int, int]]] = WeakKeyDictionary()
_counting = Lock()


def limited(volume: Volume, store: IFileStore, size: int) -> Volume:
    """
    A volume as it looks to those who may use C{size} bytes of it for backups, which are sparse bundles at its root.

    Each band counts in full, whether or not it is full: one of a bundle that grows will be.

    @raise OSError: the root cannot be read.
    """
    free = max(size - _used(store), 0)
    available = min(free, volume.available) // _BLOCK * _BLOCK
    return replace(volume, total=min(size, volume.total), free=min(free, volume.free), available=available, block=_BLOCK)


def _used(store: IFileStore) -> int:
    root = store.open((), Creation.EXISTING, Kind.DIRECTORY, False)
    try:
        bundles = [name for name in root.list_names() if _BUNDLE.fullmatch(name)]
    finally:
        root.close()
    return sum(_size_of(store, (name,)) for name in bundles)


def _size_of(store: IFileStore, bundle: Path) -> int:
    """What the bands of a bundle take; 0 for what is no bundle, or not yet."""
    try:
        bands = store.open((*bundle, "bands"), Creation.EXISTING, Kind.DIRECTORY, False)
    except OSError:
        return 0
    try:
        changed = bands.stat().written
        with _counting:
            known = _counted.setdefault(store, {})
            if (found := known.get(bundle)) is not None and found[0] == changed:
                return found[1]
        size = _band_size(store, bundle) * sum(1 for _ in bands.list_names())
        # Within one tick of the clock more may change unseen.
        if time_ns() - changed > _SETTLED_NS:
            with _counting:
                known[bundle] = changed, size
        return size
    except OSError:
        return 0
    finally:
        bands.close()


def _band_size(store: IFileStore, bundle: Path) -> int:
    file = store.open((*bundle, "Info.plist"), Creation.EXISTING, Kind.FILE, False)
    try:
        return parse_band_size(_read(file))
    finally:
        file.close()


def _read(file: IOpenFile) -> bytes:
    buffer = memoryview(bytearray(_MAX_PROPERTIES))
    return bytes(buffer[: file.read_into(0, buffer)])


def parse_band_size(properties: bytes) -> int:
    """How large each file of a bundle may become, in bytes, as its property list says; 0 if that does not say."""
    match = _BAND_SIZE.search(properties)
    if match is not None:
        return int(match[1])
    try:
        found = plistlib.loads(properties)
    except Exception:  # noqa: BLE001 - of a binary list that makes no sense the parser raises whatever it meets
        return 0
    size = found.get("band-size") if isinstance(found, dict) else None
    return size if isinstance(size, int) and size > 0 else 0


def adisk_records(names: Iterable[str]) -> list[str]:
    """
    The strings of the TXT record of the service L{ADISK_SERVICE}, by which Macs find shares of those names to back up to; none for none.
    """
    disks = [f"dk{number}=adVN={name},adVF=0x{_VOLUME_FLAGS:x}" for number, name in enumerate(names)]
    return [f"sys=waMA=0,adVF=0x{_HOST_FLAGS:x}", *disks] if disks else []
