"""smbpasswd(5) files: reading, and changing without ever leaving half of it."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pwd
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import binary, builds, from_regex, integers, none, sets, text

from filesvc.auth.names import account_key
from filesvc.auth.ntlm_crypto import nt_hash
from filesvc.auth.smbpasswd import Entry, MalformedFile, read_entries, remove_user, set_password

NONE = "X" * 32
DIGEST = "878D8014606CDA29677A44EFA1353FC7"
"""Of "secret"."""

ALICE = f"alice:1000:{NONE}:{DIGEST}:[U          ]:LCT-5F3E1A2B:"

ENTRIES = builds(
    Entry,
    from_regex(r"[^:#\s][^:\x00-\x1f\x7f\x85\u2028\u2029]*(?<!\s)", fullmatch=True),
    integers(0, 0xFFFFFFFF),
    none() | binary(min_size=16, max_size=16),
    sets(from_regex(r"[A-Z]", fullmatch=True), max_size=11).map("".join),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.smbpasswd"


def users(path: Path) -> dict[str, bytes | None]:
    """Names and hashes in a file."""
    return {entry.name: entry.nt_hash for entry in read_entries(path.read_bytes(), str(path)).values()}


def test_a_line_of_samba() -> None:
    entry = Entry.parse(f"alice:1000:{DIGEST}:{DIGEST}:[UX         ]:LCT-5F3E1A2B:")
    assert entry == Entry("alice", 1000, nt_hash("secret"), "UX")
    assert entry.may_log_on


@pytest.mark.parametrize("line", ["", "   ", "#", f"#{ALICE}"])
def test_comments_and_empty_lines(line: str) -> None:
    assert Entry.parse(line) is None


@pytest.mark.parametrize(
    ("lm", "nt", "flags"),
    [
        (NONE, DIGEST, "DU"),
        (NONE, DIGEST, "UL"),
        (NONE, DIGEST, "W"),
        (NONE, DIGEST, ""),
        (NONE, NONE, "U"),
        ("*" * 32, "*" * 32, "U"),
        ("NO PASSWORD".ljust(32, "X"), "NO PASSWORD".ljust(32, "X"), "NU"),
        (DIGEST, DIGEST, "NU"),
    ],
)
def test_accounts_that_may_not_log_on(lm: str, nt: str, flags: str) -> None:
    entry = Entry.parse(f"alice:1000:{lm}:{nt}:[{flags:11}]:LCT-5F3E1A2B:")
    assert entry is not None
    assert not entry.may_log_on


@given(ENTRIES)
def test_entries_come_back(entry: Entry) -> None:
    assert Entry.parse(entry.format()) == entry


def test_the_time_of_a_change_is_now() -> None:
    before = int(time.time())
    changed = int(Entry("alice", 1, None, "U").format().split("LCT-")[1].rstrip(":"), 16)
    assert before <= changed <= time.time()


def test_hashes_stay_out_of_the_log() -> None:
    assert DIGEST.lower() not in repr(Entry.parse(ALICE)).lower()
    assert str(nt_hash("secret")) not in repr(Entry.parse(ALICE))


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"alice", "users, line 1: this is not name:uid"),
        (ALICE.encode() + b"\n\n# comment\nbob:x\n", "users, line 4: this is not name:uid"),
        (ALICE.replace("1000", "-1").encode(), "line 1"),
        (ALICE.replace("1000", "\u0661").encode(), "line 1"),
        (ALICE.replace(DIGEST, DIGEST[1:]).encode(), "line 1"),
        (f":1:{NONE}:{NONE}:[U]:".encode(), "line 1"),
        (b"\xff" + ALICE.encode(), "users, line 1: this is not UTF-8"),
        (f"{ALICE}\n{ALICE.replace('alice', 'Alice')}".encode(), "users, line 2: Alice is on line 1 already"),
    ],
)
def test_a_malformed_line_is_named(content: bytes, mistake: str) -> None:
    with pytest.raises(MalformedFile, match=mistake):
        read_entries(content, "users")


@given(binary(max_size=200) | text(alphabet=":[]UX#\n0aé", max_size=200).map(str.encode))
def test_any_bytes_are_read_or_malformed(content: bytes) -> None:
    try:
        read_entries(content, "users")
    except MalformedFile:
        return


def test_a_new_file_is_nobody_else_s(path: Path) -> None:
    old = os.umask(0)
    try:
        set_password(path, "alice", "secret")
    finally:
        os.umask(old)
    assert users(path) == {"alice": nt_hash("secret")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().endswith(b":\n")


def test_a_unix_user_s_uid_is_written(path: Path) -> None:
    unix = pwd.getpwuid(os.getuid())
    set_password(path, unix.pw_name, "secret")
    set_password(path, "no such user", "secret")
    read = read_entries(path.read_bytes(), "users")
    assert read[account_key(unix.pw_name)].uid == unix.pw_uid
    assert read[account_key("no such user")].uid == 65534


@pytest.mark.parametrize("end", ["\n", ""])
def test_everything_else_in_a_file_stays(path: Path, end: str) -> None:
    rest = f"# our users\n\n{ALICE.replace('alice', 'bob')}\n# the end{end}"
    path.write_text(rest)
    set_password(path, "carol", "hello")
    assert path.read_text().startswith(f"{rest.rstrip()}\ncarol:")
    set_password(path, "carol", "other")
    assert users(path) == {"bob": nt_hash("secret"), "carol": nt_hash("other")}
    remove_user(path, "carol")
    assert path.read_text() == f"{rest.rstrip()}\n"


def test_names_match_by_any_case_and_keep_theirs(path: Path) -> None:
    set_password(path, "Jürgen", "secret")
    set_password(path, "jÜRGEN", "other")
    assert users(path) == {"Jürgen": nt_hash("other")}
    remove_user(path, "JÜRGEN")
    assert users(path) == {}


@pytest.mark.parametrize(("before", "after"), [("U", "U"), ("NU", "U"), ("DU", "DU"), ("UX", "UX")])
def test_a_new_password_keeps_the_flags_but_that_there_is_none(path: Path, before: str, after: str) -> None:
    path.write_text(ALICE.replace("U          ", f"{before:11}"))
    set_password(path, "alice", "other")
    entry = read_entries(path.read_bytes(), "users")["ALICE"]
    assert (entry.flags, entry.uid, entry.nt_hash) == (after, 1000, nt_hash("other"))


@pytest.mark.parametrize("name", ["", "a:b", "#alice", "a\nb", "a\0", " a", "a ", "DOMAIN\\alice", "a/b", "\udcff"])
def test_names_that_cannot_be_used(path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a user's name"):
        set_password(path, name, "secret")
    assert not path.exists()


@given(text(max_size=20))
def test_any_name_that_can_be_used_comes_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("users") / "users"
    try:
        set_password(path, name, "secret")
    except ValueError:
        return
    assert users(path) == {name: nt_hash("secret")}


def test_an_empty_password_cannot_be_used(path: Path) -> None:
    with pytest.raises(ValueError, match="empty password"):
        set_password(path, "alice", "")
    assert not path.exists()


def test_nobody_to_remove(path: Path) -> None:
    path.write_text(ALICE)
    with pytest.raises(KeyError):
        remove_user(path, "bob")
    assert path.read_text() == ALICE


def test_no_file_to_remove_from(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remove_user(path, "alice")
    assert not path.exists()


def test_a_malformed_file_is_left_alone(path: Path) -> None:
    path.write_text("alice\n")
    with pytest.raises(MalformedFile):
        set_password(path, "bob", "secret")
    assert path.read_text() == "alice\n"


def test_owner_and_group_stay_and_others_see_nothing(path: Path) -> None:
    path.write_text(ALICE)
    path.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    before = path.stat()
    set_password(path, "alice", "other")
    after = path.stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o640)


def test_a_link_stays_a_link(path: Path) -> None:
    path.write_text(ALICE)
    link = path.with_name("link")
    link.symlink_to(path.name)
    set_password(link, "alice", "other")
    assert link.is_symlink()
    assert users(path) == {"alice": nt_hash("other")}


def test_a_failed_change_leaves_the_old_file_and_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(ALICE)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("filesvc.auth.smbpasswd.os.fsync", fail)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="No space"):
        set_password(path, "alice", "other")
    assert path.read_text() == ALICE
    assert os.listdir(path.parent) == [path.name]
    assert len(os.listdir("/proc/self/fd")) == len(before)


def _add_users(path: Path, prefix: str) -> None:
    for number in range(10):
        set_password(path, f"{prefix}{number}", "secret")


def test_changes_at_the_same_time_are_all_kept(path: Path) -> None:
    processes = [multiprocessing.get_context("fork").Process(target=_add_users, args=(path, prefix)) for prefix in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert set(users(path)) == {f"{prefix}{number}" for prefix in "abc" for number in range(10)}


def _hold_lock(path: Path, locked: threading.Event, go_on: threading.Event) -> None:
    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        locked.set()
        go_on.wait(10)


def test_a_change_waits_for_samba_s_lock(path: Path) -> None:
    path.write_text(ALICE)
    context = multiprocessing.get_context("fork")
    locked, go_on = context.Event(), context.Event()
    holder = context.Process(target=_hold_lock, args=(path, locked, go_on))
    holder.start()
    assert locked.wait(10)
    change = context.Process(target=set_password, args=(path, "alice", "other"))
    change.start()
    change.join(0.2)
    assert change.is_alive()
    go_on.set()
    change.join(10)
    holder.join(10)
    assert change.exitcode == 0
    assert users(path) == {"alice": nt_hash("other")}
