"""Kerberos as operators ask for it, with what is missing or mistaken told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conformance.kdc import HOST, Kdc
from .programs import Twistd, filesvc, free_port, run

MODULES = "import sys; print(*sys.modules)"
KERBEROS = {"gssapi", "filesvc.auth.kerberos"}


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    kdc = Kdc(tmp_path_factory.mktemp("kdc"), free_port())
    kdc.start()
    kdc.add_service(f"cifs/{HOST}", kdc.folder / "keytab")
    kdc.add_service(f"host/{HOST}", kdc.folder / "host-keytab")
    (kdc.folder / "garbage").write_text("no keytab")
    yield kdc
    kdc.stop()


def check(folder: Path, keytab: Path | None, auth: str = "kerberos:FILESVC.TEST") -> subprocess.CompletedProcess[str]:
    """What C{filesvc check} says to a file."""
    lines = [f'auth = "{auth}"', "[share.docs]", f'target = "{folder}"']
    config = folder / "filesvc.toml"
    config.write_text("\n".join(lines if keytab is None else [f'keytab = "{keytab}"', *lines]))
    return filesvc("check", config)


def test_what_can_be_served(kdc: Kdc, tmp_path: Path) -> None:
    shown = check(tmp_path, kdc.folder / "keytab")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "to the users of kerberos:FILESVC.TEST" in shown.stdout


@pytest.mark.parametrize(
    ("keytab", "expected"),
    [
        ("none", "No such file or directory"),
        ("keytab/below", "Not a directory"),
        ("garbage", "no keytab with a key of cifs/HOST (Unsupported key table format version number); klist -k shows what it holds"),
        ("host-keytab", "no keytab with a key of cifs/HOST (No key table entry found matching cifs/@); klist -k shows what it holds"),
    ],
)
def test_a_keytab_that_cannot_be_used(kdc: Kdc, tmp_path: Path, keytab: str, expected: str) -> None:
    shown = check(tmp_path, kdc.folder / keytab)
    assert shown.returncode == 1
    assert shown.stderr == f'{tmp_path}/filesvc.toml: keytab: "{kdc.folder / keytab}": {expected}\n'


def test_a_realm_needs_a_keytab(tmp_path: Path) -> None:
    shown = check(tmp_path, None)
    assert shown.stderr == (
        f"{tmp_path}/filesvc.toml: auth lets users of Kerberos in, but nothing can read their tickets; add --keytab FILE (keytab)\n"
    )


def test_a_keytab_needs_a_realm(kdc: Kdc, tmp_path: Path) -> None:
    shown = check(tmp_path, kdc.folder / "keytab", "memory:alice:secret")
    assert shown.stderr == f"{tmp_path}/filesvc.toml: keytab: nobody could log on with it; add --auth kerberos:REALM (auth)\n"


def test_a_realm_that_is_none(kdc: Kdc, tmp_path: Path) -> None:
    shown = check(tmp_path, kdc.folder / "keytab", "kerberos")
    assert shown.stderr == (
        f"{tmp_path}/filesvc.toml:2: auth: kerberos: kerberos needs a realm: kerberos:EXAMPLE.COM or kerberos:EXAMPLE.COM,local\n"
    )


def test_the_server_does_not_start_with_a_mistaken_keytab(twistd: Callable[..., Twistd], kdc: Kdc, tmp_path: Path) -> None:
    server = twistd("--share", f"docs={tmp_path}", "--keytab", str(kdc.folder / "garbage"), "--auth", "kerberos:FILESVC.TEST")
    assert server.wait() == 1
    assert f'twistd filesvc: keytab: "{kdc.folder}/garbage": no keytab' in server.output


def test_without_the_extra_everything_else_works(installed: Path, kdc: Kdc, tmp_path: Path) -> None:
    program = installed / "filesvc"
    config = tmp_path / "filesvc.toml"
    config.write_text(f'auth = "memory:alice:secret"\n[share.docs]\ntarget = "{tmp_path}"\n')
    assert run(program, "check", config).returncode == 0
    config.write_text(f'keytab = "{kdc.folder}/keytab"\nauth = "kerberos:FILESVC.TEST"\n[share.docs]\ntarget = "{tmp_path}"\n')
    shown = run(program, "check", config)
    assert shown.returncode == 1
    assert shown.stderr == (
        f"{config}: keytab: Kerberos is an extra, and not installed: pip install \"filesvc[kerberos]\" (No module named 'gssapi')\n"
    )


@pytest.mark.parametrize("asked", [False, True])
def test_nothing_of_kerberos_is_loaded_unless_it_is_asked_for(kdc: Kdc, tmp_path: Path, asked: bool) -> None:
    given = ["--keytab", str(kdc.folder / "keytab"), "--auth", "kerberos:FILESVC.TEST"] if asked else ["--auth", "memory:alice:secret"]
    program = (
        "from twisted.internet import reactor\nfrom filesvc.tap import Options, make_service\n"
        f"options = Options()\noptions.parseOptions({['--share', f'docs={tmp_path}', *given]})\n"
        f"make_service(options, reactor)\n{MODULES}"
    )
    loaded = run(sys.executable, "-c", program)
    assert loaded.returncode == 0, loaded.stderr
    assert KERBEROS & set(loaded.stdout.split()) == (KERBEROS if asked else set())
