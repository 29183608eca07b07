from __future__ import annotations

import pytest

from filesvc.dtyp import well_known_sids
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import unix_gid, unix_group, unix_uid, unix_user


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NOBODY", "S-1-0-0"),
        ("EVERYONE", "S-1-1-0"),
        ("CREATOR_OWNER", "S-1-3-0"),
        ("CREATOR_GROUP", "S-1-3-1"),
        ("OWNER_RIGHTS", "S-1-3-4"),
        ("NETWORK", "S-1-5-2"),
        ("ANONYMOUS", "S-1-5-7"),
        ("AUTHENTICATED_USERS", "S-1-5-11"),
        ("LOCAL_SYSTEM", "S-1-5-18"),
        ("BUILTIN_ADMINISTRATORS", "S-1-5-32-544"),
        ("BUILTIN_USERS", "S-1-5-32-545"),
        ("BUILTIN_GUESTS", "S-1-5-32-546"),
    ],
)
def test_known_values(name: str, text: str) -> None:
    assert str(getattr(well_known_sids, name)) == text


def test_unix_users_and_groups_are_apart() -> None:
    assert str(unix_user(1000)) == "S-1-22-1-1000"
    assert str(unix_group(100)) == "S-1-22-2-100"
    assert unix_uid(unix_user(1000)) == 1000
    assert unix_gid(unix_group(100)) == 100
    assert unix_uid(unix_group(100)) is None
    assert unix_gid(unix_user(1000)) is None


@pytest.mark.parametrize("text", ["S-1-22-1", "S-1-22-1-2-3", "S-1-5-1-2", "S-1-22"])
def test_others_are_no_unix_users(text: str) -> None:
    assert unix_uid(Sid.from_string(text)) is None
