"""What some tests ask of a server beyond an empty share, as smbtorture's authors give it to their own server for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from peers import Share


@dataclass(slots=True, frozen=True)
class Needs:
    """
    C{must_sign}: clients must; C{shows_locks}: local programs see clients' locks; C{continuous}: handles to the test's share may outlive
    the server.
    """

    must_sign: bool = False
    shows_locks: bool = False
    continuous: bool = False


_NEEDS = {
    "smb2.replay.replay5.": Needs(continuous=True),
    "smb2.samba3misc.localposixlock1.": Needs(shows_locks=True),
    "smb2.session-require-signing.": Needs(must_sign=True),
}


def needs_of(test: str) -> Needs:
    """What a test needs; mostly nothing."""
    return next((needs for start, needs in _NEEDS.items() if test.startswith(start)), Needs())


def shares_by_name(folder: Path) -> list[Share]:
    """Shares that tests look for by their names: one with access-based enumeration, and one whose folder its users may not enter."""
    return [
        Share("hideunread", folder / "hideunread", access_based=True),
        Share("noperm", folder / "noperm", forbidden=True),
    ]
