"""An installed wheel: everything is in it, and it works far from the checkout."""

from __future__ import annotations

import configparser
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from .programs import ROOT, run

UNITS = ROOT / "filesvc" / "systemd"
SAMPLE = ROOT / "etc" / "filesvc.toml"


def test_twistd_lists_it(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "twistd", "--help", cwd=tmp_path)
    assert re.search(r"^ +filesvc +Shares folders", shown.stdout, re.MULTILINE)
    assert run(installed / "twistd", "filesvc", "--help", cwd=tmp_path).stdout.startswith("Usage: twistd [options] filesvc [options]")


def test_checker_is_found(installed: Path, tmp_path: Path) -> None:
    assert "smbpasswd" in run(installed / "twistd", "filesvc", "--help-auth", cwd=tmp_path).stdout


def test_command_is_installed(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "filesvc", "--version", cwd=tmp_path).stdout == f"filesvc {version('filesvc')}\n"


def test_wheel_holds_every_module_and_nothing_else(installed: Path, checkout: Path) -> None:
    (packages,) = (installed.parent / "lib").glob("python*/site-packages")
    wanted = {path.relative_to(checkout) for top in ("filesvc", "twisted") for path in (checkout / top).rglob("*") if path.is_file()}
    record = (packages / f"filesvc-{version('filesvc')}.dist-info" / "RECORD").read_text()
    got = {Path(line.split(",")[0]) for line in record.splitlines()}
    got = {path for path in got if path.parts[0] in ("filesvc", "twisted") and "__pycache__" not in path.parts}
    assert got == {path for path in wanted if "__pycache__" not in path.parts}
    assert {Path("filesvc/py.typed"), Path("filesvc/systemd/filesvc.service"), Path("twisted/plugins/filesvc_plugin.py")} <= got
    assert not any(path.name == "__init__.py" and path.parts[0] == "twisted" for path in got)


def test_dependencies_are_consistent(installed: Path) -> None:
    assert run(installed / "pip", "check").returncode == 0


# What systemd is told


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string((UNITS / name).read_text())
    return parser


def test_units_start_what_is_installed_with_the_sample_configuration() -> None:
    service = unit("filesvc.service")["Service"]
    programs = {"twistd", "filesvc"}
    for key in ("ExecStartPre", "ExecStart"):
        program, *arguments = service[key].split()
        assert Path(program).name in programs
        assert "/etc/filesvc.toml" in arguments
    assert service["ExecStart"].split()[1:3] == ["-n", "--pidfile="]
    assert "-HUP $MAINPID" in service["ExecReload"]


def test_socket_unit_is_what_the_sample_configuration_names() -> None:
    socket_unit = unit("filesvc.socket")["Socket"]
    assert socket_unit["ListenStream"] == "445"
    endpoint = "systemd:domain=INET6:index=0"
    assert endpoint in SAMPLE.read_text()
    assert endpoint in (UNITS / "filesvc.socket").read_text()
    assert "listen" in tomllib.loads(SAMPLE.read_text())
