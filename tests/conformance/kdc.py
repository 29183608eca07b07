"""A Kerberos realm of its own: MIT's KDC on a loopback port, and all that belongs to it in one folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

SBIN = "/usr/sbin"
HOST = "fileserver.test"
"""The name in tickets for the server. Nobody resolves it: clients are told the address beside it."""


class KdcFailed(Exception):
    """A KDC did not start."""


class Kdc:
    """
    A realm, its users and its services. Needs no privilege.

    @ivar environment: what programs need in their environment to find it.
    """

    def __init__(self, folder: Path, port: int, realm: str = "FILESVC.TEST", clock_skew_s: int = 300) -> None:
        self.folder = folder
        self.port = port
        self.realm = realm
        self.environment = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "krb5.conf").write_text(f"""\
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 clockskew = {clock_skew_s}
 default_rcache_name = file2:{folder / "replays"}
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 {HOST} = {realm}
""")
        (folder / "kdc.conf").write_text(f"""\
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {folder / "principal"}
  key_stash_file = {folder / "stash"}
  acl_file = {folder / "acl"}
 }}
[logging]
 kdc = FILE:{folder / "log"}
""")

    def start(self, timeout_s: float = 30.0) -> None:
        """Make the realm and serve it; L{KdcFailed} if its port does not answer."""
        self._run(f"{SBIN}/kdb5_util", "create", "-s", "-P", "master", "-r", self.realm)
        self.process = subprocess.Popen(
            [f"{SBIN}/krb5kdc", "-n", "-r", self.realm],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.01)
        self.stop()
        raise KdcFailed((self.folder / "log").read_text(errors="replace"))

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        environment = os.environ | self.environment
        done = subprocess.run([program, *arguments], input=text, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KdcFailed(done.stdout + done.stderr)

    def add_user(self, name: str, password: str) -> None:
        """Somebody who can get tickets."""
        self._run(f"{SBIN}/kadmin.local", "-r", self.realm, "addprinc", "-pw", password, name)

    def add_service(self, name: str, keytab: Path) -> None:
        """A service, such as C{cifs/fileserver.test}, or new keys for one; they are added to a keytab."""
        self._run(f"{SBIN}/kadmin.local", "-r", self.realm, text=f"addprinc -randkey {name}\nktadd -k {keytab} {name}\n")

    def log_on(self, user: str, password: str, cache: Path, *arguments: str) -> dict[str, str]:
        """Get a user's first ticket with C{kinit}; the environment in which programs find it."""
        self._run("kinit", "-c", str(cache), *arguments, user, text=f"{password}\n")
        return self.environment | {"KRB5CCNAME": f"FILE:{cache}"}
