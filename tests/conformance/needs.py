"""What some tests ask of a server beyond an empty share, as smbtorture's authors give it to their own server for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from disk import can_mount
from peers import Share


@dataclass(slots=True, frozen=True)
class Needs:
    """
    C{must_sign}: clients must; C{shows_locks}: local programs see clients' locks; C{continuous}: handles to the test's share may outlive
    the server; C{btrfs}: the share is on a file system that compresses files, and lets them share blocks; C{isolated}: a network of its
    own, in which the test can block connections, and port 445; C{time_machine_size}: the share is for backups of so much.
    """

    must_sign: bool = False
    shows_locks: bool = False
    continuous: bool = False
    btrfs: bool = False
    isolated: bool = False
    time_machine_size: str = ""


_NEEDS = {
    "smb2.ioctl.compress_notsup_": Needs(),
    "smb2.ioctl.compress_": Needs(btrfs=True),
    "smb2.ioctl.dup_extents_": Needs(btrfs=True),
    "smb2.ioctl.sparse_compressed.": Needs(btrfs=True),
    "smb2.multichannel.bugs.bug_15346.": Needs(isolated=True),
    "smb2.multichannel.leases.test2.": Needs(isolated=True),
    "smb2.multichannel.leases.test4.": Needs(isolated=True),
    "smb2.multichannel.oplocks.test2.": Needs(isolated=True),
    "smb2.multichannel.oplocks.test3_": Needs(isolated=True),
    "smb2.oplock.batch22b.": Needs(isolated=True),
    "smb2.persistent-open": Needs(continuous=True),
    "smb2.replay.dhv2-pending3": Needs(isolated=True),
    "smb2.replay.replay5.": Needs(continuous=True),
    "smb2.samba3misc.localposixlock1.": Needs(shows_locks=True),
    "smb2.session-require-signing.": Needs(must_sign=True),
    "vfs.fruit_timemachine.": Needs(time_machine_size="32K"),
}


def needs_of(test: str) -> Needs:
    """What a test needs; mostly nothing."""
    return next((needs for start, needs in _NEEDS.items() if test.startswith(start)), Needs())


def can_have(needs: Needs) -> bool:
    """Whether a test's needs can be met here: only root can mount a file system."""
    return can_mount() or not needs.btrfs


def shares_by_name(folder: Path) -> list[Share]:
    """Shares that tests look for by their names: one with access-based enumeration, and one whose folder its users may not enter."""
    return [
        Share("hideunread", folder / "hideunread", access_based=True),
        Share("noperm", folder / "noperm", forbidden=True),
    ]
