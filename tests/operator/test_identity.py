"""Whose rights a user has on a real server: attacks, and what SIGHUP makes of those who are there."""

from __future__ import annotations

import os
import pwd
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, SecurityControl, SecurityDescriptor
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import EVERYONE, unix_group
from filesvc.server.access.groups import Groups
from filesvc.server.access.principals import Principals

from ..interop.rawclient import OF_OTHERS, OPEN_IF, RawClient, Refused
from .programs import Twistd, filesvc, free_port, smbclient

SET_INFO, SECURITY, DACL = 17, 3, 4
WRITE_DATA, WRITE_DAC = 2, 0x40000
READ, CHANGE = 0x1200A9, 0x1301BF
USER_SESSION_DELETED = 0xC0000203


@dataclass
class Site:
    """A server with the share C{docs}, of which an administrator says who may do what."""

    process: Twistd
    port: int
    users: Path
    config: Path
    docs: Path

    def add(self, *names: str) -> None:
        for name in names:
            assert filesvc("passwd", "--stdin", self.users, name, input="secret\n").returncode == 0

    def reload(self) -> str:
        times = self.process.output.count("Serving")
        self.process.signal(signal.SIGHUP)
        return self.process.wait_for("Serving", times + 1)

    def may_write(self, user: str) -> bool:
        """Whether C{NAME%PASSWORD}, or C{%} for nobody, can put a file there."""
        name = f"by {user.partition('%')[0] or 'nobody'}"
        said = smbclient(self.port, "docs", user, f'put /etc/hostname "{name}"')
        if (self.docs / name).exists():
            return True
        assert "NT_STATUS_ACCESS_DENIED" in said, said
        return False

    def allow(self, trustee: Sid) -> None:
        """Nobody may change anything in the share any more but a group and the administrator."""
        inherited = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT
        allowed = [(trustee, CHANGE), (EVERYONE, READ), (self.sid("chief"), OF_OTHERS)]
        acl = Acl([Ace(AceType.ACCESS_ALLOWED, sid, mask, inherited) for sid, mask in allowed])
        descriptor = SecurityDescriptor(dacl=acl, control=SecurityControl.DACL_PRESENT).encode()
        client = RawClient(self.port)
        client.negotiate()
        client.log_on("chief", "secret")
        client.connect_tree("docs")
        root = client.create("", WRITE_DAC)
        client.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, SECURITY, 0, len(descriptor), 64 + 32, 0, DACL, root) + descriptor)
        client.close()

    def sid(self, name: str) -> Sid:
        """Of a user or a group that the server alone has."""
        principals = Principals("FILESVC", Groups({"writers": ()}, time.monotonic), users=lambda: {"chief": True})
        principals.claim()
        found = principals.principal_by_name("", name)
        assert found is not None
        return found.sid


def other_user() -> str:
    """A user of this host who is not in the group that this process has first."""
    return next(entry.pw_name for entry in pwd.getpwall() if os.getegid() not in os.getgrouplist(entry.pw_name, entry.pw_gid))


@pytest.fixture
def site(twistd: Callable[..., Twistd], users: Path, tmp_path: Path) -> Iterator[Site]:
    docs, config, port = tmp_path / "docs", tmp_path / "filesvc.toml", free_port()
    docs.mkdir()
    config.write_text(
        f'listen = "tcp:{port}:interface=127.0.0.1"\nauth = "smbpasswd:{users}"\nguest = true\nadministrators = ["chief"]\n'
        f'[share.docs]\ntarget = "{docs}"\nguest = true\n[groups]\nwriters = ["ALICE"]\n'
    )
    process = twistd("--config", str(config))
    process.wait_for("Serving")
    site = Site(process, port, users, config, docs)
    site.add("bob", "chief", other_user(), pwd.getpwuid(os.geteuid()).pw_name)
    yield site
    process.stop()


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[[str], RawClient]]:
    """Clients of users who are connected to C{docs}."""
    with ExitStack() as stack:

        def connect_one(user: str) -> RawClient:
            client = RawClient(site.port)
            stack.callback(client.close)
            client.negotiate()
            client.log_on(user, "secret")
            client.connect_tree("docs")
            return client

        yield connect_one


def test_the_servers_groups_are_nobodys(site: Site) -> None:
    """Neither a user of the host who is not in the group, nor one whom it does not know, nor who does not say who he is."""
    site.allow(unix_group(os.getegid()))
    assert site.may_write(f"{pwd.getpwuid(os.geteuid()).pw_name}%secret")
    assert not site.may_write(f"{other_user()}%secret")
    assert not site.may_write("bob%secret")
    assert not site.may_write("whoever%whatever")
    assert not site.may_write("%")


def test_groups_of_the_configuration(site: Site) -> None:
    site.allow(site.sid("writers"))
    assert site.may_write("alice%secret")
    assert not site.may_write("bob%secret")
    site.config.write_text(site.config.read_text().replace('writers = ["ALICE"]', 'writers = ["bob"]'))
    site.reload()
    assert site.may_write("bob%secret")
    (site.docs / "by alice").unlink()
    assert not site.may_write("alice%secret")


def test_a_session_has_the_groups_that_its_user_has_since_the_reload(site: Site, connect: Callable[[str], RawClient]) -> None:
    site.allow(site.sid("writers"))
    alice = connect("alice")
    alice.create("hers", WRITE_DATA, OPEN_IF)
    site.config.write_text(site.config.read_text().replace('writers = ["ALICE"]', "writers = []"))
    assert "waits for a restart" not in site.reload()
    with pytest.raises(Refused):
        alice.create("hers", WRITE_DATA, OPEN_IF)


def remove(site: Site) -> None:
    site.users.write_text("".join(line for line in site.users.read_text().splitlines(keepends=True) if not line.startswith("alice:")))


def disable(site: Site) -> None:
    lines = site.users.read_text().splitlines(keepends=True)
    site.users.write_text("".join(line.replace("[U ", "[UD") if line.startswith("alice:") else line for line in lines))


def give_another_password(site: Site) -> None:
    assert filesvc("passwd", "--stdin", site.users, "alice", input="another\n").returncode == 0


@pytest.mark.parametrize("change", [remove, disable, give_another_password])
def test_the_session_of_who_may_not_log_on_any_more_ends(
    site: Site, connect: Callable[[str], RawClient], change: Callable[[Site], None]
) -> None:
    alice, bob = connect("alice"), connect("bob")
    change(site)
    bob.create("a", WRITE_DATA, OPEN_IF)
    assert "the session of alice ends" in site.reload()
    bob.create("b", WRITE_DATA, OPEN_IF)
    with pytest.raises(Refused) as ended:
        alice.create("c", WRITE_DATA, OPEN_IF)
    assert ended.value.status == USER_SESSION_DELETED


def test_a_reload_that_changes_nothing_ends_no_session(site: Site, connect: Callable[[str], RawClient]) -> None:
    alice = connect("alice")
    site.reload()
    alice.create("a", WRITE_DATA, OPEN_IF)


def test_a_name_with_a_ligature_is_another_user(site: Site, connect: Callable[[str], RawClient]) -> None:
    """finn may write, and who spells it with U+FB01 may not."""
    site.add("finn", "\ufb01nn")
    site.config.write_text(site.config.read_text().replace('["ALICE"]', '["finn"]'))
    site.reload()
    site.allow(site.sid("writers"))
    connect("finn").create("a", WRITE_DATA, OPEN_IF)
    with pytest.raises(Refused):
        connect("\ufb01nn").create("b", WRITE_DATA, OPEN_IF)
