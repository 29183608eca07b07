"""What an operator decides about a server and its shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from filesvc.auth.target_validation import TargetCheck
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.session_setup import MAX_REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from filesvc.interfaces import IFileStore


class Signing(Enum):
    """Whether messages of authenticated sessions must be signed. SESSION_SETUP's final reply always is."""

    REQUIRED = "required"
    WHEN_ASKED = "when-asked"


class Encryption(Enum):
    """Whether messages must be encrypted."""

    REQUIRED = "required"
    WHEN_ASKED = "when-asked"
    OFF = "off"


@dataclass(slots=True, frozen=True)
class Limits:
    """
    What one client, or all together, may hold. Sizes are bytes, times seconds.

    C{waiting} requests of a connection may wait at a time, for a lock, a change or a break; they cost no credits. A connection with more
    than C{parallel} requests being worked on, or C{backlog} bytes of replies not yet sent, is not read from. C{strangers} are connections
    that nobody has logged on to; one more, and the oldest of them is closed. C{opens} are all that the sessions of a connection have open;
    C{pipes} are those of IPC$ among them, each of which may keep a mebibyte of a call that is not complete.
    """

    connections: int = 4096
    strangers: int = 512
    frame: int = 8 * 1024 * 1024 + 64 * 1024
    transfer: int = 8 * 1024 * 1024
    credits: int = 8192
    sessions: int = 64
    channels: int = 32
    trees: int = 256
    opens: int = 16384
    pipes: int = 32
    parallel: int = 32
    waiting: int = 511
    backlog: int = 1024 * 1024
    logon_timeout: float = 45.0
    shutdown_timeout: float = 10.0

    @property
    def of_strangers(self) -> Limits:
        """For a connection that nobody has logged on to: enough to do that, and to ask without a name what is shared."""
        return replace(
            self,
            frame=min(self.frame, MAX_REQUEST),
            sessions=min(self.sessions, 2),
            trees=min(self.trees, 2),
            opens=min(self.opens, 2),
            parallel=0,
            backlog=min(self.backlog, 64 * 1024),
        )


@dataclass(slots=True, frozen=True)
class DataPathSettings:
    """
    How file data moves. Sizes are bytes, times seconds.

    C{sendfile_minimum} is where sendfile begins to cost less than a copy. Over loopback, copied and streamed, in microseconds: 24 and 29
    for 16 KiB, 36 and 34 for 64 KiB, 53 and 41 for 128 KiB.
    """

    zero_copy: bool = True
    sendfile_minimum: int = 64 * 1024
    recvfile_minimum: int = 16 * 1024
    preflight_deadline: float = 0.020
    stall_timeout: float = 2.0
    drain_memory: int = 64 * 1024 * 1024


@dataclass(slots=True, frozen=True)
class Settings:
    """
    One server's choices. C{state} is the folder where what outlives it is kept, C{keytab} the file of its Kerberos keys. C{administrators}
    are the users who may take files over and say which accesses are noted; with C{restrict_remote_sam} they alone may list the users.
    C{groups} has who is in a group besides those that the host has in it. C{names} are those by which clients may call the server besides
    the host's own and its addresses, if C{target_names} has them checked.
    """

    name: str = "FILESVC"
    comment: str = "filesvc"
    workgroup: str = "WORKGROUP"
    min_dialect: Dialect = Dialect.SMB_2_0_2
    max_dialect: Dialect = Dialect.SMB_3_1_1
    signing: Signing = Signing.WHEN_ASKED
    encryption: Encryption = Encryption.WHEN_ASKED
    guest: bool = False
    limits: Limits = field(default_factory=Limits)
    data_path: DataPathSettings = field(default_factory=DataPathSettings)
    state: str = ""
    keytab: str = ""
    administrators: tuple[str, ...] = ()
    restrict_remote_sam: bool = True
    target_names: TargetCheck = TargetCheck.OFF
    names: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Share:
    """
    A store under a name. C{guest}: guests may connect; C{hidden}: not listed; C{encrypt}: only encrypted requests; C{continuous}: handles
    may outlive the server; C{access_based}: who lists a folder sees what he may read (Share.DoAccessBasedDirectoryEnumeration).

    C{time_machine}: Macs may back up to it, and find it as a share for that; C{time_machine_size} is what backups may take together, in
    bytes, or 0 for all there is.

    C{snapshots} is the pattern by which earlier versions are found; see L{filesvc.server.files.snapshots}.
    """

    name: str
    store: IFileStore
    read_only: bool = False
    guest: bool = False
    hidden: bool = False
    encrypt: bool = False
    comment: str = ""
    path: str = ""
    snapshots: str = ""
    continuous: bool = False
    access_based: bool = False
    time_machine: bool = False
    time_machine_size: int = 0
