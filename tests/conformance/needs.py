"""What some tests ask of a server beyond an empty share, as smbtorture's authors give it to their own server for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from disk import can_mount
from peers import Share

SNAPSHOTS = ".snapshots/@GMT-%Y.%m.%d-%H.%M.%S"
_SNAPSHOT = "@GMT-2026.11.23-12.00.00"
SNAPSHOT_SETTINGS = {"twrp_file": "file", "twrp_stream": "stream", "twrp_stream_size": "3", "twrp_snapshot": _SNAPSHOT}
"""What smbtorture is told of a share with a snapshot."""


@dataclass(slots=True, frozen=True)
class Needs:
    """
    C{share}: the name of the test's share; C{must_sign}: clients must; C{shows_locks}: local programs see clients' locks; C{continuous}:
    handles to the test's share may outlive the server; C{snapshot}: the share has one; C{btrfs}: the share is on a file system that
    compresses files, and lets them share blocks; C{isolated}: a network of its own, in which the test can block connections, and port 445;
    C{time_machine_size}: the share is for backups of so much.
    """

    share: str = ""
    must_sign: bool = False
    shows_locks: bool = False
    continuous: bool = False
    snapshot: bool = False
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
    "smb2.persistent-open.leaselevels_fo.": Needs(share="ca_fo", continuous=True),
    "smb2.persistent-open.leaselevels_fo_max_rwh.": Needs(share="ca_fo_max_rwh", continuous=True),
    "smb2.persistent-open": Needs(continuous=True),
    "smb2.replay.dhv2-pending3": Needs(isolated=True),
    "smb2.replay.replay5.": Needs(continuous=True),
    "smb2.samba3misc.localposixlock1.": Needs(shows_locks=True),
    "smb2.session-require-signing.": Needs(must_sign=True),
    "smb2.twrp.": Needs(share="snapshots", snapshot=True),
    "vfs.fruit_timemachine.": Needs(time_machine_size="32K"),
}


def needs_of(test: str) -> Needs:
    """What a test needs; mostly nothing."""
    return next((needs for start, needs in _NEEDS.items() if test.startswith(start)), Needs())


def can_have(needs: Needs) -> bool:
    """Whether a test's needs can be met here: only root can mount a file system."""
    return can_mount() or not needs.btrfs


def shares_by_name(folder: Path, needs: Needs) -> list[Share]:
    """
    Shares that tests look for by their names: one with access-based enumeration, one whose folder its users may not enter, and the one that
    a test asks for.
    """
    return [
        Share("hideunread", folder / "hideunread", access_based=True),
        Share("noperm", folder / "noperm", forbidden=True),
        *([_named(needs, folder / needs.share)] if needs.share else []),
    ]


def _named(needs: Needs, path: Path) -> Share:
    return Share(needs.share, path, continuous=needs.continuous, snapshots=SNAPSHOTS if needs.snapshot else "")


def take_snapshot(share: Path) -> None:
    """Put what the settings of L{SNAPSHOT_SETTINGS} name into a share, which is empty."""
    for folder in (share, share / Path(SNAPSHOTS).with_name(_SNAPSHOT)):
        (folder / "subdir").mkdir(parents=True)
        file = folder / "file"
        file.write_bytes(b"hello")
        os.setxattr(file, "user.DosStream.stream:$DATA", b"abc\0")
        (folder / "subdir" / "hardlink").hardlink_to(file)
