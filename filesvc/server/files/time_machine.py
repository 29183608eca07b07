"""Shares that Macs back up to: how full they look, and what discovery tells of them (Apple's Time Machine Over SMB Specification)."""

from __future__ import annotations

import plistlib
import re
from dataclasses import replace
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from filesvc.interfaces import Creation, IFileStore, IOpenFile, Kind, Path, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

ADISK_SERVICE: Final = "_adisk._tcp"
"""The type of the DNS service by which Macs find shares to back up to."""

_BUNDLE = re.compile(r".*\.(?:sparsebundle|backupbundle)", re.IGNORECASE)
_BANDS = "bands"
_BLOCK = 1024
_SETTLED_NS = 1_000_000_000
_MAX_PROPERTIES = 64 << 10
_BAND_SIZE = re.compile(rb"<key>\s*band-size\s*</key>\s*<integer>\s*([0-9]{1,12})\s*</integer>")
_VOLUME_FLAGS = 0x82
"""Of adVF: it is there over SMB (0x80), and takes Time Machine's backups (0x2)."""
_HOST_FLAGS = 0x100


class BackupSpace:
    """
    What is taken of the room that a share gives to backups, which are sparse bundles at its root.

    A bundle counts by its bands, and each of them in full, whether or not it is full: one of a bundle that grows will be. Files beside the
    bundles count by their length; what lies in other folders is not looked for.

    @ivar size: All that may be taken, in bytes.
    @ivar left: What files may still grow by before it is to be counted again.
    @ivar bundles: Those that were there when it was counted last, by their paths.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.left = 0
        self.bundles: dict[Path, Bundle] = {}
        self._counting = Lock()

    def used(self, store: IFileStore) -> int:
        """
        Count, which takes a thread: a store may have many bands.

        @raise OSError: the root cannot be read.
        """
        root = store.open((), Creation.EXISTING, Kind.DIRECTORY, False)
        try:
            names = list(root.list_names())
            beside = sum(_length(root, name) for name in names if not _BUNDLE.fullmatch(name))
        finally:
            root.close()
        with self._counting:
            known = self.bundles
            found: dict[Path, Bundle] = {(name,): _count(store, (name,), known.get((name,))) for name in names if _BUNDLE.fullmatch(name)}
            self.bundles = found
        return beside + sum(bundle.size for bundle in found.values())

    def limited(self, volume: Volume, store: IFileStore) -> Volume:
        """
        A volume as it looks to those who may use so much of it.

        @raise OSError: the root cannot be read.
        """
        free = max(self.size - self.used(store), 0)
        available = min(free, volume.available) // _BLOCK * _BLOCK
        return replace(volume, total=min(self.size, volume.total), free=min(free, volume.free), available=available, block=_BLOCK)

    def needed(self, path: Path, before: int, end: int) -> int:
        """What a file takes that grows, in bytes, beyond what it was counted for."""
        if len(path) == 1:
            return end - before
        bundle = self.bundles.get(path[:1])
        if bundle is None or path[1] != _BANDS:
            return end
        return end - max(before, bundle.band) if end > bundle.band else 0


class Bundle(NamedTuple):
    """What was counted of a bundle: how large a band is and all are, in bytes, and when its folder of bands was changed before that."""

    band: int = 0
    size: int = 0
    changed: int | None = None


_spaces: WeakKeyDictionary[IFileStore, BackupSpace] = WeakKeyDictionary()


def backup_space(store: IFileStore, size: int) -> BackupSpace:
    """The one of a store that has C{size} bytes for backups."""
    space = _spaces.get(store)
    if space is None or space.size != size:
        space = _spaces[store] = BackupSpace(size)
    return space


def _length(root: IOpenFile, name: str) -> int:
    try:
        stat = root.entry(name).stat
    except OSError:
        return 0
    return stat.size if stat.kind is Kind.FILE else 0


def _count(store: IFileStore, bundle: Path, known: Bundle | None) -> Bundle:
    """What the bands of a bundle take: nothing if it is none, or not yet."""
    try:
        bands = store.open((*bundle, _BANDS), Creation.EXISTING, Kind.DIRECTORY, False)
    except OSError:
        return Bundle()
    try:
        changed = bands.stat().written
        if known is not None and known.changed == changed:
            return known
        band = _band_size(store, bundle)
        size = band * sum(1 for _ in bands.list_names())
        # Within one tick of the clock more may change unseen.
        return Bundle(band, size, changed if time_ns() - changed > _SETTLED_NS else None)
    except OSError:
        return Bundle()
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
