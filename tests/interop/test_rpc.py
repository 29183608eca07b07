"""
Samba's clients of the pipes, at the port where all of them look for a server: what they ask about users, groups and domains.

Samba's smbd has other users, so this is asked of filesvc alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Filesvc
from .machine import ADMINISTRATOR, Machine

USER = Filesvc.second_user


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine.started(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


def test_a_descriptor_as_sddl(machine: Machine) -> None:
    """In which names depend on the SID of the server's domain."""
    (machine.folder / "file").write_bytes(b"data")
    sddl = machine.run("smbcacls", "//127.0.0.1/rw", "file", "--sddl")
    assert re.search(r"O:\S+G:\S+D:\S*\(A;", sddl)


def test_users_by_net(machine: Machine) -> None:
    users = machine.run("net", "rpc", "user", "--server", "127.0.0.1")
    assert users.split() == [ADMINISTRATOR, USER]
    assert "None" in machine.run("net", "rpc", "user", "info", ADMINISTRATOR, "--server", "127.0.0.1")
    sid = re.search(r"Storing SID (S-1-5-21-[-\d]+) for Domain", machine.run("net", "rpc", "getsid", "--server", "127.0.0.1", *machine.own))
    assert sid is not None
    assert sid[1] in machine.run("rpcclient", "127.0.0.1", "--command", "lsaquery")


def test_users_by_rpcclient(machine: Machine) -> None:
    users = machine.run("rpcclient", "127.0.0.1", "--command", "enumdomusers")
    found = dict(re.findall(r"user:\[(\w+)\] rid:\[(0x[0-9a-f]+)\]", users))
    assert set(found) == {ADMINISTRATOR, USER}
    commands = [
        "querydispinfo",
        "querydominfo",
        "enumdomgroups",
        "enumalsgroups builtin",
        "getdompwinfo",
        f"queryuser {found[USER]}",
        f"queryusergroups {found[USER]}",
        f"samlookupnames domain {USER}",
        f"samlookuprids domain {found[USER]}",
        "queryaliasmem builtin 0x220",
        "enumprivs",
        "lsaenumsid",
    ]
    told = {command: machine.run("rpcclient", "127.0.0.1", "--command", command) for command in commands}
    assert f"Account: {USER}" in told["querydispinfo"]
    assert "Total Users:\t2" in told["querydominfo"]
    assert "group:[None] rid:[0x201]" in told["enumdomgroups"]
    assert "group:[Administrators] rid:[0x220]" in told["enumalsgroups builtin"]
    assert "min_password_length: 1" in told["getdompwinfo"]
    assert f"User Name   :\t{USER}" in told[f"queryuser {found[USER]}"]
    assert "group rid:[0x201]" in told[f"queryusergroups {found[USER]}"]
    assert f"name {USER}: {found[USER]} (1)" in told[f"samlookupnames domain {USER}"]
    assert f"rid {found[USER]}: {USER} (1)" in told[f"samlookuprids domain {found[USER]}"]
    assert f"-{int(found[ADMINISTRATOR], 16)}]" in told["queryaliasmem builtin 0x220"]
    assert "SeBackupPrivilege" in told["enumprivs"]
    assert "S-1-5-32-544" in told["lsaenumsid"]


def test_users_by_impacket(machine: Machine) -> None:
    script = shutil.which("samrdump.py", path=Path(sys.executable).parent)
    assert script is not None
    command = [*machine.server.entrance, sys.executable, script, f"{ADMINISTRATOR}:{PASSWORD}@127.0.0.1"]
    told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Found domain(s):\n . FILESVC\n . Builtin\n" in told
    for user in (ADMINISTRATOR, USER):
        assert re.search(rf"^{user} \(\d+\)/AccountIsDisabled: False$", told, re.MULTILINE), told


def test_the_machine_by_rpcclient(machine: Machine) -> None:
    assert "WORKGROUP (2)" in machine.run("rpcclient", "127.0.0.1", "--command", "wkssvc_getjoininformation")
    refused = machine.run("rpcclient", "127.0.0.1", "--command", "winreg_enumkey HKLM", fails=True)
    assert "NT_STATUS_OBJECT_NAME_NOT_FOUND" in refused


@pytest.mark.parametrize("user", [USER, ""])
def test_only_administrators_list_users(machine: Machine, user: str) -> None:
    for command in ("enumdomusers", "querydispinfo", "querydominfo"):
        assert "NT_STATUS_ACCESS_DENIED" in machine.run("rpcclient", "127.0.0.1", "--command", command, user=user, fails=True)


def test_users_are_not_changed(machine: Machine) -> None:
    said = machine.run("net", "rpc", "user", "add", "mallory", "secret", "--server", "127.0.0.1", fails=True)
    assert re.search("(?i)access (is )?denied", said)


def torture(machine: Machine, suite: str) -> str:
    """What smbtorture says to all tests of a suite."""
    command = [*machine.server.entrance, "smbtorture", "ncacn_np:127.0.0.1[smb2]", "--configfile", os.devnull]
    command += ["--user", f"{ADMINISTRATOR}%{PASSWORD}", "--option", "torture:progress=no", suite]
    here = machine.server.folder
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, cwd=here).stdout


@pytest.mark.parametrize("mechanism", ["ntlm", "spnego"])
@pytest.mark.parametrize("protection", ["sign", "seal", "connect"])
def test_protected_pipes(machine: Machine, protection: str, mechanism: str) -> None:
    """A client authenticates in the pipe as well."""
    binding = f"ncacn_np:127.0.0.1[{protection},{mechanism}]"
    assert f"user:[{USER}]" in machine.run("rpcclient", binding, "--command", "enumdomusers")
    assert "netname: rw" in machine.run("rpcclient", binding, "--command", "netshareenumall")


@pytest.mark.parametrize(
    ("suite", "passes"),
    [
        (
            "rpc.bind",
            {
                f"{order}{mechanism},sign{seal}"
                for order in ("", "bigendian,")
                for mechanism in ("ntlm", "spnego")
                for seal in ("", ",seal")
            },
        ),
        ("rpc.mgmt", {"mgmt"}),
        ("rpc.lsa.lookupnames", {"lsa.LookupNames"}),
        ("rpc.lsa.lookupsids", {"lsa.LookupSidsReply"}),
        ("rpc.handles", {"lsarpc", "samr"}),
    ],
)
def test_smbtorture(machine: Machine, suite: str, passes: set[str]) -> None:
    """The rest of these suites wants an endpoint mapper, or services of a domain."""
    told = torture(machine, suite)
    assert passes <= set(re.findall(r"^success: (.*)$", told, re.MULTILINE)), told
