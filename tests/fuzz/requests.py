"""Requests of every kind, most of them sensible, made up as a conversation goes on."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from uuid import UUID

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import SecurityDescriptor
from filesvc.dtyp.sid import Sid
from filesvc.fscc.ea import FullEa, encode_full_eas
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.smb2.contexts.apple import ResolveIdRequest, ServerQueryRequest
from filesvc.smb2.contexts.create_contexts import (
    AAPL,
    ALLOCATION_SIZE,
    DURABLE_HANDLE_RECONNECT,
    DURABLE_HANDLE_RECONNECT_V2,
    DURABLE_HANDLE_REQUEST,
    DURABLE_HANDLE_REQUEST_V2,
    EA_BUFFER,
    QUERY_MAXIMAL_ACCESS,
    QUERY_ON_DISK_ID,
    REQUEST_LEASE,
    SD_BUFFER,
    TIMEWARP_TOKEN,
    AllocationSize,
    CreateContext,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    TimewarpToken,
)
from filesvc.smb2.contexts.lease import Lease, LeaseV2
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.oplock_break import LeaseBreak, OplockBreak
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.session_setup import SessionSetupRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest

NAMES = (
    "",
    "a",
    "a:AFP_AfpInfo",
    "a:AFP_Resource",
    "._a",
    ".filesvc",
    "b",
    "A",
    "dir",
    "dir\\c",
    "dir\\d",
    "a:s",
    "a:s:$DATA",
    "dir:s",
    "b::$DATA",
    "dir\\..\\a",
    "no\\where",
    "é\\x",
    "long" * 60,
)
PATTERNS = ("*", "?", "a*", "*.*", "<", "a", "*a*a*a*a*a*a*b", "")
NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    10,
    63,
    64,
    100,
    4095,
    65535,
    65536,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 44,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
SOME = NUMBERS[:13]
KEYS = (b"k" * 16, b"l" * 16, bytes(16))
GUIDS = (UUID(int=1), UUID(int=2), UUID(int=3))


class Requests:
    """
    What a client may ask next.

    @ivar opens: the file ids that there are, as far as is known.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.opens: list[FileId] = []
        kinds: list[tuple[int, Callable[[], tuple[int, bytes]]]] = [
            (14, self.create),
            (8, self.open),
            (4, self.close),
            (8, self.read),
            (8, self.write),
            (2, self.flush),
            (6, self.lock),
            (8, self.ioctl),
            (5, self.query_directory),
            (4, self.change_notify),
            (6, self.query_info),
            (10, self.set_info),
            (3, self.oplock_break),
            (2, lambda: (Command.ECHO, EchoRequest().encode())),
            (
                2,
                lambda: (
                    Command.TREE_CONNECT,
                    TreeConnectRequest(random.choice((r"\\s\files", r"\\s\rw", r"\\s\IPC$", "nonsense"))).encode(),
                ),
            ),
        ]
        self._weights = [weight for weight, _ in kinds]
        self._kinds = [kind for _, kind in kinds]

    def next(self) -> tuple[int, bytes]:
        """A command and its body."""
        if not self.opens and self.random.random() < 0.7:
            return self.open()
        if self.random.random() < 0.004:
            return self.random.choice((self.session_setup, self.log_off, self.tree_disconnect))()
        (kind,) = self.random.choices(self._kinds, self._weights)
        return kind()

    def _file(self) -> FileId:
        if self.opens and self.random.random() < 0.95:
            return self.random.choice(self.opens)
        return self.random.choice((RELATED_FILE_ID, FileId(0, 0), FileId(1, 2)))

    def _bits(self, width: int) -> int:
        return self.random.getrandbits(width) & self.random.getrandbits(width)

    def open(self) -> tuple[int, bytes]:
        """What should succeed."""
        random = self.random
        name, options = random.choice(
            (("a", 0), ("b", 0), ("dir", 1), ("dir\\c", 0), ("a:s", 0), ("a:AFP_AfpInfo", 0), ("a:AFP_Resource", 0), ("", 1))
        )
        contexts = random.choice(([], [], [CreateContext(REQUEST_LEASE, LeaseV2(random.choice(KEYS), 7).encode())]))
        level = 0xFF if contexts else random.choice((0, 9))
        request = CreateRequest(name, AccessMask.FILE_ALL_ACCESS, 3, 0, 7, options, level, create_contexts=contexts)
        return Command.CREATE, request.encode()

    def log_off(self) -> tuple[int, bytes]:
        return Command.LOGOFF, LogoffRequest().encode()

    def tree_disconnect(self) -> tuple[int, bytes]:
        return Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()

    def create(self) -> tuple[int, bytes]:
        random = self.random
        access = random.choice((AccessMask.FILE_ALL_ACCESS, AccessMask.FILE_ALL_ACCESS, AccessMask.MAXIMUM_ALLOWED, self._bits(32)))
        options = random.choice((0, 0, 1, 0x40, 0x1000, 0x1001, self._bits(24)))
        contexts = random.sample(self._contexts(), random.choice((0, 1, 1, 2, 4)))
        level = 0xFF if any(context.name == REQUEST_LEASE for context in contexts) else random.choice((0, 1, 8, 9, 9, 9, 0x42))
        request = CreateRequest(
            random.choice(NAMES),
            access,
            random.choice((0, 1, 2, 3, 3, 3, 4, 5, 6)),
            random.choice((0, 0, 0x80, self._bits(15))),
            random.choice((7, 7, 7, 3, 0)),
            options,
            level,
            create_contexts=contexts,
        )
        return Command.CREATE, request.encode()

    def _contexts(self) -> list[CreateContext]:
        random, guid, key = self.random, self.random.choice(GUIDS), self.random.choice(KEYS)
        state = random.getrandbits(3)
        lease = LeaseV2(key, state, random.choice((0, 4)), key, 1) if random.random() < 0.7 else Lease(key, state)
        owner = Sid(5, (32, 545))
        return [
            CreateContext(REQUEST_LEASE, lease.encode()),
            CreateContext(DURABLE_HANDLE_REQUEST, DurableHandleRequest().encode()),
            CreateContext(DURABLE_HANDLE_REQUEST_V2, DurableHandleRequestV2(guid, random.choice(SOME)).encode()),
            CreateContext(DURABLE_HANDLE_RECONNECT, DurableHandleReconnect(self._file()).encode()),
            CreateContext(DURABLE_HANDLE_RECONNECT_V2, DurableHandleReconnectV2(self._file(), guid).encode()),
            CreateContext(ALLOCATION_SIZE, AllocationSize(random.choice(NUMBERS)).encode()),
            CreateContext(QUERY_MAXIMAL_ACCESS, random.choice((b"", bytes(8)))),
            CreateContext(QUERY_ON_DISK_ID),
            CreateContext(AAPL, random.choice((ServerQueryRequest(7, 0xF), ServerQueryRequest(1, 0), ResolveIdRequest(5))).encode()),
            CreateContext(TIMEWARP_TOKEN, TimewarpToken(random.choice(NUMBERS)).encode()),
            CreateContext(EA_BUFFER, encode_full_eas([FullEa("ea", b"value")])),
            CreateContext(SD_BUFFER, SecurityDescriptor(owner, owner).encode()),
        ]

    def close(self) -> tuple[int, bytes]:
        file_id = self._file()
        if file_id in self.opens and self.random.random() < 0.9:
            self.opens.remove(file_id)
        return Command.CLOSE, CloseRequest(file_id, self.random.choice((0, 1))).encode()

    def read(self) -> tuple[int, bytes]:
        random = self.random
        return Command.READ, ReadRequest(
            self._file(), random.choice(NUMBERS), random.choice(SOME), minimum_count=random.choice((0, 0, 1, 100))
        ).encode()

    def write(self) -> tuple[int, bytes]:
        random = self.random
        data = random.randbytes(random.choice((0, 1, 100, 5000, 70000)))
        return Command.WRITE, WriteRequest(self._file(), random.choice(NUMBERS), data, random.choice((0, 0, 0, 1))).encode()

    def flush(self) -> tuple[int, bytes]:
        return Command.FLUSH, FlushRequest(self._file(), self.random.choice((0, 0xFFFF))).encode()

    def lock(self) -> tuple[int, bytes]:
        random = self.random
        flags = (
            LockFlags.SHARED_LOCK,
            LockFlags.EXCLUSIVE_LOCK,
            LockFlags.UNLOCK,
            LockFlags.SHARED_LOCK | 16,
            LockFlags.EXCLUSIVE_LOCK | 16,
        )
        elements = [
            LockElement(random.choice(NUMBERS), random.choice(NUMBERS), random.choice(flags)) for _ in range(random.choice((1, 1, 1, 2, 5)))
        ]
        return Command.LOCK, LockRequest(self._file(), elements, random.choice((0, 1, 15)), random.choice((0, 0, 1, 64))).encode()

    def ioctl(self) -> tuple[int, bytes]:
        random, file_id = self.random, self._file()
        numbers = b"".join(random.choice(NUMBERS).to_bytes(8, "little") for _ in range(random.choice((0, 1, 2, 3, 4))))
        chunks = [
            SrvCopychunk(random.choice(NUMBERS), random.choice(NUMBERS), random.choice(SOME)) for _ in range(random.choice((0, 1, 3)))
        ]
        copy = SrvCopychunkCopy(self._file().pack().ljust(24, b"\0"), chunks).encode()
        code = random.choice(list(Fsctl))
        if code in (Fsctl.SRV_COPYCHUNK, Fsctl.SRV_COPYCHUNK_WRITE) or random.random() < 0.2:
            return Command.IOCTL, IoctlRequest(random.choice((Fsctl.SRV_COPYCHUNK, Fsctl.SRV_COPYCHUNK_WRITE)), file_id, copy, 100).encode()
        return Command.IOCTL, IoctlRequest(code, file_id, numbers, random.choice(SOME)).encode()

    def query_directory(self) -> tuple[int, bytes]:
        random = self.random
        kind = random.choice((1, 2, 3, 12, 37, 38, 60))
        request = QueryDirectoryRequest(
            self._file(), kind, random.choice(SOME), random.choice(PATTERNS), random.choice((0, 0, 1, 2, 4, 16))
        )
        return Command.QUERY_DIRECTORY, request.encode()

    def change_notify(self) -> tuple[int, bytes]:
        random = self.random
        return Command.CHANGE_NOTIFY, ChangeNotifyRequest(self._file(), self._bits(12), random.choice(SOME), random.choice((0, 1))).encode()

    def query_info(self) -> tuple[int, bytes]:
        random = self.random
        kind, number = random.choice((InfoType.FILE, InfoType.FILESYSTEM, InfoType.SECURITY, InfoType.QUOTA)), random.randrange(64)
        return Command.QUERY_INFO, QueryInfoRequest(self._file(), kind, number, random.choice(SOME), self._bits(6)).encode()

    def set_info(self) -> tuple[int, bytes]:
        random, kind = self.random, InfoType.FILE
        number = random.choice((4, 10, 11, 13, 14, 15, 16, 19, 20, 39, 64, random.randrange(70)))
        body = b"".join(random.choice(NUMBERS).to_bytes(8, "little") for _ in range(random.choice((1, 5))))
        if number in (FileInformationClass.RENAME, FileInformationClass.LINK):
            body = FileRenameInformation(random.random() < 0.5, random.choice(NAMES)).encode()
        elif number == FileInformationClass.FULL_EA:
            body = encode_full_eas([FullEa(random.choice(("ea", "other", "filesvc.sd")), random.randbytes(random.choice((0, 10, 5000))))])
        elif number in (FileInformationClass.DISPOSITION, FileInformationClass.MODE):
            body = random.choice((b"\0", b"\1")) + bytes(3)
        elif random.random() < 0.1:
            kind, body = InfoType.SECURITY, SecurityDescriptor(Sid(5, (32, 545)), Sid(5, (32, 545))).encode()
        return Command.SET_INFO, SetInfoRequest(self._file(), kind, number, body, self._bits(6)).encode()

    def oplock_break(self) -> tuple[int, bytes]:
        random = self.random
        if random.random() < 0.5:
            return Command.OPLOCK_BREAK, OplockBreak(self._file(), random.choice((0, 1, 8, 9))).encode()
        return Command.OPLOCK_BREAK, LeaseBreak(random.choice(KEYS), random.getrandbits(3)).encode()

    def session_setup(self) -> tuple[int, bytes]:
        random = self.random
        token = random.choice((b"", b"NTLMSSP\0" + (1).to_bytes(4, "little") + random.randbytes(20), random.randbytes(50)))
        return Command.SESSION_SETUP, SessionSetupRequest(token, flags=random.choice((0, 0, 0, 1))).encode()
