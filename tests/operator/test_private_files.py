"""What the server makes for itself is its own, whatever the umask; and who else may read its secrets is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from .programs import Twistd, filesvc, free_port


def test_a_loose_umask_opens_nothing(twistd: Callable[..., Twistd], users: Path, tmp_path: Path) -> None:
    state, docs, status, config = tmp_path / "state", tmp_path / "docs", tmp_path / "status", tmp_path / "filesvc.toml"
    state.mkdir()
    docs.mkdir()
    config.write_text(
        f'listen = "tcp:{free_port()}:interface=127.0.0.1"\nauth = "smbpasswd:{users}"\nstate = "{state}"\nstatus = "unix:{status}"\n'
        f'[share.docs]\ntarget = "{docs}"\ncontinuous = true\n'
    )
    before = os.umask(0)
    try:
        server = twistd("--config", str(config), options=("-n", "--pidfile=", "--umask=0"))
        server.wait_for("Serving")
    finally:
        os.umask(before)
    made = [status, *state.iterdir()]
    assert len(made) > 1
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in made} == {path.name: "0o600" for path in made}
    server.stop()


def test_a_password_file_that_others_may_read_is_told(users: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    config = tmp_path / "filesvc.toml"
    config.write_text(f'auth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{tmp_path}/docs"\n')
    checked = filesvc("check", config)
    assert "anybody on this host" not in checked.stdout + checked.stderr
    users.chmod(0o644)
    checked = filesvc("check", config)
    assert checked.returncode == 0
    assert f"anybody on this host may read or change {users}" in checked.stdout + checked.stderr
