"""
SMB servers as processes of their own on a loopback port: filesvc, and the servers it is compared with.

They are started with the same shares, the same user and the same password, so that a test can be asked of each of them.
"""

from __future__ import annotations

import json
import os
import pwd
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "secret"
PASSWORD_NT_HASH = "878D8014606CDA29677A44EFA1353FC7"
_NOBODY_YET = "00000000:0000 0A "
"""The peer and the state of a socket that listens, in C{/proc/net/tcp}."""
SMB_PORT = 445
SMBD_PATHS = ("/usr/sbin/smbd", "/usr/local/samba/sbin/smbd")


@dataclass(slots=True, frozen=True)
class Share:
    """
    A folder under a name. C{snapshots} and C{time_machine_size} are filesvc's; C{forbidden}: only root may enter the folder, once the
    server runs.
    """

    name: str
    path: Path
    read_only: bool = False
    guest: bool = False
    encrypt: bool = False
    access_based: bool = False
    continuous: bool = False
    snapshots: str = ""
    forbidden: bool = False
    time_machine_size: str = ""


_MAKE_LOOPBACK = """
    ip link set lo up
    ip route replace local 127.0.0.1 dev lo table local src 127.0.0.1 quickack 1
    exec "$@"
"""
"""The last acknowledgement before a connection is blocked must not be delayed, or what comes after it is never sent."""


def _apart() -> list[str]:
    """
    What a command line is given to whose process has a network of its own, with nothing but a loopback interface. There C{iptables} works,
    and nobody else notices. Whoever is not root gets it as the root of a user namespace.
    """
    user = ["--map-root-user"] if os.getuid() else []
    return ["unshare", *user, "--net", "sh", "-ec", _MAKE_LOOPBACK, "sh"]


def _beside(pid: int) -> list[str]:
    """What a command line is given to whose process is in the network of another."""
    user = ["--user", "--preserve-credentials"] if os.getuid() else []
    return ["nsenter", "--target", str(pid), *user, "--net"]


def free_port() -> int:
    """
    A port that nothing uses now.

    Below the range that the system gives to outgoing connections, so that no client takes it before the server does.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class ServerFailed(Exception):
    """A server did not start."""


class Server:
    """
    One server process, its log and its private folder.

    @ivar user: Who may log on, with L{PASSWORD}.
    @ivar environment: What its process finds in its environment, beside what is in ours; clients want the same.
    @ivar client_options: What Samba's clients must be told to log on, beside the user and the password.
    @ivar second_user: Another one.
    @ivar acl_xattr: The extended attribute in which it keeps security descriptors, without C{user.}.
    @ivar must_sign: Whether clients must sign.
    @ivar shows_locks: Whether local programs see its clients' locks, if that is to be said.
    @ivar on_btrfs: Whether its shares are on a btrfs, if that is to be said.
    @ivar isolable: Whether it can be in a network of its own.
    @ivar isolated: Whether it is, and listens on the port where all servers do.
    @ivar wrapper: A command that the server's command line is given to, such as C{strace}; it must become the server.
    @ivar clean_exits: What L{stop} may return when all went well.
    @ivar last_words: What it logs when it has ended in order.
    @ivar folder: Holds what the server needs for itself.
    @ivar log: Everything that it prints.
    """

    name = ""
    user = "alice"
    environment: Mapping[str, str] = {}
    client_options: Sequence[str] = ()
    second_user = "carol"
    acl_xattr = ""
    must_sign = False
    shows_locks = False
    on_btrfs = False
    isolable = True
    isolated = False
    wrapper: Sequence[str] = ()
    clean_exits: Sequence[int] = (0,)
    last_words = ""

    def __init__(self, folder: Path, shares: Sequence[Share]) -> None:
        self.folder = folder
        self.shares = shares
        self.port = free_port()
        self.log = folder / "log"

    def command(self) -> list[str]:
        """Write the server's configuration; its command line."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self, timeout_s: float = 30.0) -> None:
        """Start it and return when its port answers; L{ServerFailed}, with its log, if that does not happen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.isolated:
            self.port = SMB_PORT
        command = [*(_apart() if self.isolated else ()), *self.wrapper, *self.command()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=os.environ | self.environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                for share in self.shares:
                    if share.forbidden:
                        share.path.chmod(0)
                return
            time.sleep(0.02)
        self.kill()
        raise ServerFailed(f"{shlex.join(command)}\n{self.log.read_text(errors='replace')}")

    def _answers(self) -> bool:
        with suppress(OSError):
            if self.isolated:
                # Before that it would be this machine's own network, where another server may listen.
                apart = os.readlink(f"/proc/{self.pid}/ns/net") != os.readlink("/proc/self/ns/net")
                return apart and f":{self.port:04X} {_NOBODY_YET}" in Path(f"/proc/{self.pid}/net/tcp").read_text()
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        return False

    @property
    def entrance(self) -> list[str]:
        """What a client's command line is given to, so that it is where the server is."""
        return _beside(self.pid) if self.isolated else []

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout_s: float = 15.0) -> int:
        """Ask it to end with SIGTERM; its exit status, negative for the signal that it died of."""
        if self.running:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its children at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Filesvc(Server):
    """
    The server of this project. Its users come from a file that C{filesvc passwd} writes.

    @ivar options: What else is asked of it.
    @ivar administrators: Who they are.
    """

    name = "filesvc"
    options: Sequence[str] = ()
    administrators: Sequence[str] = ()
    acl_xattr = "filesvc.sd"
    clean_exits = (-signal.SIGTERM,)
    last_words = "Server Shut Down."

    def command(self) -> list[str]:
        programs = Path(sys.executable).parent
        users = self.folder / "users.smbpasswd"
        if not users.exists():
            for user in (self.user, self.second_user):
                subprocess.run([programs / "filesvc", "passwd", "--stdin", users, user], input=f"{PASSWORD}\n", text=True, check=True)
        arguments = ["--listen", f"tcp:{self.port}:interface=127.0.0.1", "--auth", f"smbpasswd:{users}"]
        for share in self.shares:
            if not _needs_config(share):
                arguments += ["--share", f"{share.name}={share.path}{_flags(share)}"]
        if any(share.guest for share in self.shares):
            arguments.append("--guest")
        if self.must_sign:
            arguments += ["--signing", "required"]
        if self.administrators or any(map(_needs_config, self.shares)):
            arguments += ["--config", str(self._write_config())]
        return [str(programs / "twistd"), "-n", "--pidfile=", "filesvc", *arguments, *self.options]

    def _write_config(self) -> Path:
        """What no option says: administrators, continuous shares and those with snapshots, and where the state is kept."""
        state, config = self.folder / "state", self.folder / "filesvc.toml"
        state.mkdir(exist_ok=True)
        lines = [f'state = "{state}"', f"administrators = {json.dumps(list(self.administrators))}"]
        for share in filter(_needs_config, self.shares):
            lines += [f"[share.{share.name}]", f'target = "{share.path}"', f"continuous = {str(share.continuous).lower()}"]
            lines += [f'snapshots = "{share.snapshots}"'] if share.snapshots else []
            if share.time_machine_size:
                lines += ["time-machine = true", f'time-machine-size = "{share.time_machine_size}"']
        config.write_text("\n".join(lines) + "\n")
        return config


def _needs_config(share: Share) -> bool:
    return share.continuous or bool(share.snapshots) or bool(share.time_machine_size)


def _flags(share: Share) -> str:
    return ",ro" * share.read_only + ",guest" * share.guest + ",encrypt" * share.encrypt + ",access-based" * share.access_based


class Custom(Server):
    """
    A server started by a command line of the caller's, in which C{{port}}, C{{users}} (a smbpasswd file) and C{{shares}}
    (C{--share NAME=PATH} for each) are filled in.
    """

    name = "custom"
    template = ""

    def command(self) -> list[str]:
        users = self.folder / "users.smbpasswd"
        _write_smbpasswd(users, self.user, self.second_user)
        shares = shlex.join(part for share in self.shares for part in ("--share", f"{share.name}={share.path}"))
        return ["/bin/sh", "-c", self.template.format(port=self.port, users=shlex.quote(str(users)), shares=shares)]


class Smbd(Server):
    """
    Samba's smbd as whoever runs this: its one user is that user of the system.

    Its settings are the stock ones, and those that its makers test it with where the stock ones switch a part of the protocol off: stored
    security descriptors (where an ordinary user may keep them), streams, durable handles.
    """

    name = "smbd"
    acl_xattr = "NTACL"
    # It ends when it must not call setgroups, as in the user namespace of somebody else.
    isolable = not os.getuid()
    clean_exits = (0, -signal.SIGTERM)

    def __init__(self, folder: Path, shares: Sequence[Share]) -> None:
        super().__init__(folder, shares)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.second_user = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != os.getuid())

    def options(self) -> dict[str, object]:
        """The global part of its configuration."""
        users = self.folder / "users.smbpasswd"
        _write_smbpasswd(users, self.user, self.second_user)
        private = self.folder / "state"
        private.mkdir(mode=0o700, exist_ok=True)
        options: dict[str, object] = {
            "server role": "standalone server",
            "interfaces": "127.0.0.1",
            "bind interfaces only": "yes",
            "smb ports": self.port,
            "passdb backend": f"smbpasswd:{users}",
            "private dir": private,
            "lock directory": private,
            "state directory": private,
            "cache directory": private,
            "pid directory": private,
            "ncalrpc dir": private / "ncalrpc",
            "log file": self.folder / "smbd.log",
            "load printers": "no",
            "printcap name": "/dev/null",
            "disable spoolss": "yes",
            "vfs objects": f"{'btrfs ' if self.on_btrfs else ''}acl_xattr streams_xattr",
            # only root may write security.NTACL
            "acl_xattr:security_acl_name": f"user.{self.acl_xattr}",
            # it has no durable handles otherwise
            "posix locking": "yes" if self.shows_locks else "no",
        }
        if self.must_sign:
            options["server signing"] = "mandatory"
        if any(share.guest for share in self.shares):
            options |= {"map to guest": "Bad User", "guest account": self.user}
        return options

    def command(self) -> list[str]:
        lines = ["[global]", *(f"{name} = {value}" for name, value in self.options().items())]
        for share in self.shares:
            lines += [f"[{share.name}]", f"path = {share.path}", f"read only = {'yes' if share.read_only else 'no'}"]
            lines += ["guest ok = yes"] * share.guest + ["smb encrypt = required"] * share.encrypt
            lines += ["hide unreadable = yes"] * share.access_based
        config = self.folder / "smb.conf"
        config.write_text("\n".join(lines) + "\n")
        program = next((path for path in SMBD_PATHS if Path(path).exists()), "smbd")
        return [program, "-F", "--no-process-group", "-s", str(config)]


class Impacket(Server):
    """The example server of the impacket library."""

    name = "impacket"

    def command(self) -> list[str]:
        program = Path(__file__).with_name("impacket_server.py")
        shares = [f"{share.name}={share.path}" for share in self.shares]
        return [sys.executable, str(program), str(self.port), self.user, PASSWORD_NT_HASH, *shares]


def _write_smbpasswd(path: Path, *users: str) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"{user}:{os.getuid()}:{'X' * 32}:{PASSWORD_NT_HASH}:[U          ]:LCT-65000000:\n" for user in users))


PEERS: dict[str, type[Server]] = {peer.name: peer for peer in (Filesvc, Smbd, Impacket)}
