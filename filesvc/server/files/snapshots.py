"""
Earlier versions of a share (MS-SMB2 2.2.13.2.7, 3.3.5.15.1).

Snapshots are folders inside the share, made by the file system or by whoever makes backups; their names tell when they were taken. A share
names them with a pattern: a path with the fields of C{strftime} in one of its names, such as C{.snapshots/%Y-%m-%d_%H%M}. Times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from filesvc.interfaces import Creation, IFileStore, Kind, Path

GMT_TOKEN = "@GMT-%Y.%m.%d-%H.%M.%S"  # noqa: S105 - no secret
"""How clients write the time of a snapshot."""


@dataclass(slots=True, frozen=True)
class Snapshot:
    """An earlier version, and the folder it is in."""

    taken: datetime
    path: Path

    @property
    def token(self) -> str:
        """Its time, as FSCTL_SRV_ENUMERATE_SNAPSHOTS tells it."""
        return self.taken.strftime(GMT_TOKEN)


def check_pattern(pattern: str) -> None:
    """
    @raise ValueError: with a sentence, if no snapshots can be found by it.
    """
    names = pattern.split("/")
    if sum("%" in name for name in names) != 1 or any(name in ("", ".", "..") for name in names):
        raise ValueError("a path inside the share, one name of which has fields of strftime, such as .snapshots/%Y-%m-%d_%H%M")
    (dated,) = (name for name in names if "%" in name)
    now = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
    try:
        datetime.strptime(now.strftime(dated), dated)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        raise ValueError(f"fields of strftime that can be read back; {dated} cannot") from None


def list_snapshots(store: IFileStore, pattern: str) -> list[Snapshot]:
    """
    The snapshots there are, latest first; none without a pattern.

    @raise OSError: the folder of snapshots cannot be listed.
    """
    if not pattern:
        return []
    names = tuple(pattern.split("/"))
    index = next(index for index, name in enumerate(names) if "%" in name)
    try:
        folder = store.open(names[:index], Creation.EXISTING, Kind.DIRECTORY, False)
    except FileNotFoundError:
        return []
    try:
        found = []
        for name in folder.list_names():
            try:
                taken = datetime.strptime(name, names[index]).replace(tzinfo=UTC, microsecond=0)
            except ValueError:
                continue
            found.append(Snapshot(taken, (*names[:index], name, *names[index + 1 :])))
    finally:
        folder.close()
    return sorted(found, key=lambda snapshot: snapshot.taken, reverse=True)


def find_snapshot(store: IFileStore, pattern: str, nanoseconds: int) -> Snapshot | None:
    """The snapshot that was taken in a second, given as nanoseconds since 1970 UTC."""
    try:
        taken = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except ValueError:
        # A year that no calendar here has.
        return None
    return next((snapshot for snapshot in list_snapshots(store, pattern) if snapshot.taken == taken), None)
