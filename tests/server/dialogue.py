"""The client that tests speak through: it talks to a server in memory with the wire rooms' own codecs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

import spnego
from impacket import ntlm
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import DirectoryEntry, parse_directory
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.connection.connection import Connection
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.contexts.create_contexts import POSIX, REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseState, LeaseV2
from filesvc.smb2.contexts.negotiate_contexts import (
    EncryptionCapabilities,
    PosixExtensionsAvailable,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from filesvc.smb2.file_id import FileId
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, Header, HeaderFlags
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.change_notify import ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockRequest
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest, NegotiateResponse
from filesvc.smb2.messages.oplock_break import LeaseBreakNotification, OplockBreak, parse_break_notification
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.smb2.protection.encryption import TRANSFORM_PROTOCOL_ID, EncryptionAlgorithm, Sealer, Unsealer
from filesvc.smb2.protection.keys import session_keys
from filesvc.smb2.protection.preauth import PreauthIntegrity
from filesvc.smb2.protection.signing import Signer, SigningAlgorithm, signed_parts, signer_for
from filesvc.store.local import LocalStore

USER, PASSWORD = "alice", "secret"
CLIENT = UUID(int=1)
CAPABILITIES = Capabilities.ENCRYPTION | Capabilities.DIRECTORY_LEASING | Capabilities.MULTI_CHANNEL | Capabilities.PERSISTENT_HANDLES
ANOTHER_USER = "carol"
RWH = LeaseState.READ_CACHING | LeaseState.WRITE_CACHING | LeaseState.HANDLE_CACHING
NAMES_CHANGE = CompletionFilter.FILE_NAME | CompletionFilter.DIR_NAME


class Transport(StringTransport):
    """A transport in memory, which tells its protocol when it is closed."""

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.1", 50000))
        self.protocol: Connection | None = None

    def startWriting(self) -> None:
        pass

    def _close(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost()

    def loseConnection(self) -> None:
        super().loseConnection()
        self._close()

    def abortConnection(self) -> None:
        super().abortConnection()
        self._close()


class Encodable(Protocol):
    """A structure of the wire."""

    def encode(self) -> bytes: ...


def setting(file_id: FileId, what: int, information: Encodable, kind: int = InfoType.FILE) -> bytes:
    """The body of a SET_INFO request."""
    return SetInfoRequest(file_id, kind, what, information.encode()).encode()


@dataclass
class Answer:
    """One message from the server."""

    header: Header
    message: memoryview
    sealed: bool = False

    @property
    def status(self) -> Status:
        return Status(self.header.status)


@dataclass
class Client:
    """
    A client's connection, session and tree connect, as far as they have come. What it asks is answered at once.

    @ivar desires: the rights that it opens files with if nothing else is said: all that who does not own a file may have.
    """

    server: Server
    dialect: int = Dialect.SMB_3_1_1
    transport: Transport = field(default_factory=Transport)
    connection: Connection = field(init=False)
    session_id: int = 0
    tree_id: int = 0
    message_id: int = 0
    credits: int = 1
    signer: Signer | None = None
    sign: bool = False
    seal: bool = False
    sealer: Sealer | None = None
    unsealer: Unsealer | None = None
    signing: list[int] = field(default_factory=lambda: [SigningAlgorithm.AES_GMAC, SigningAlgorithm.AES_CMAC])
    ciphers: list[int] = field(default_factory=lambda: [EncryptionAlgorithm.AES_128_GCM, EncryptionAlgorithm.AES_128_CCM])
    preauth: PreauthIntegrity = field(default_factory=PreauthIntegrity)
    negotiated: NegotiateResponse = field(init=False)
    unasked: list[Answer] = field(default_factory=list)
    client_guid: UUID = CLIENT
    posix: bool = False
    capabilities: int = CAPABILITIES
    named: bool = False
    desires: int = OF_OTHERS

    def __post_init__(self) -> None:
        connection = self.server.buildProtocol(IPv4Address("TCP", "192.0.2.1", 50000))
        assert isinstance(connection, Connection)
        self.connection = connection
        self.transport.protocol = self.connection
        self.connection.makeConnection(self.transport)

    @property
    def closed(self) -> bool:
        """Whether the server closed the connection."""
        return self.transport.protocol is None

    def header(self, command: int, charge: int = 1, **fields: Any) -> Header:
        """The next request's header."""
        header = Header(
            command,
            self.message_id,
            credit_charge=charge if self.dialect > Dialect.SMB_2_0_2 else 0,
            credits=64,
            tree_id=self.tree_id,
            session_id=self.session_id,
        )
        header = replace(header, **fields)
        if "message_id" not in fields and command != Command.CANCEL:
            self.message_id += charge
        return header

    def encode(self, header: Header, body: bytes) -> bytes:
        """A message, signed if this client signs and does not encrypt; a TREE_CONNECT of 3.1.1 in any case, as MS-SMB2 3.2.4.1.1 has it."""
        must_sign = header.command == Command.TREE_CONNECT and self.dialect == Dialect.SMB_3_1_1 and self.named
        if not (self.sign or must_sign) or self.signer is None or self.seal:
            return header.encode() + body
        header.flags |= HeaderFlags.SIGNED
        message = bytearray(header.encode() + body)
        signature = self.signer.sign(signed_parts(memoryview(message)), header.message_id, False, header.command == Command.CANCEL)
        message[SIGNATURE_OFFSET:HEADER_LENGTH] = signature
        return bytes(message)

    def verifies(self, answer: Answer) -> bool:
        """Whether an answer has this client's signature."""
        assert self.signer is not None
        parts = signed_parts(answer.message)
        return self.signer.verify(answer.header.signature, parts, answer.header.message_id, is_response=True)

    def send(self, *messages: bytes) -> None:
        """Send a frame, encrypted if this client encrypts."""
        frame = b"".join(messages)
        if self.seal:
            assert self.sealer is not None
            frame = b"".join(self.sealer.seal([frame]))
        self.connection.dataReceived(frame_prefix(len(frame)) + frame)

    def receive(self) -> list[Answer]:
        """All that the server has sent since the last time, and sends as soon as it can."""
        self.server.reactor.advance(0)
        while self.transport.producer is not None:
            self.transport.producer.resumeProducing()
        return self.take_sent()

    def take_sent(self) -> list[Answer]:
        """All that the server has sent since the last time."""
        data = memoryview(self.transport.value())
        self.transport.clear()
        answers = []
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            frame, data = data[4:end], data[end:]
            sealed = frame[:4] == TRANSFORM_PROTOCOL_ID
            if sealed:
                assert self.unsealer is not None
                frame = self.unsealer.open(frame)
            while frame:
                header = Header.parse(frame)
                size = header.next_command or len(frame)
                answers.append(Answer(header, frame[:size], sealed))
                frame = frame[size:]
        return answers

    def ask(self, command: int, body: bytes, **fields: Any) -> Answer:
        """Send a request and return its final answer, or STATUS_PENDING if that is all there is; others go to C{unasked}."""
        header = self.header(command, **fields)
        self.send(self.encode(header, body))
        mine: list[Answer] = []
        for answer in self.receive():
            (mine if answer.header.message_id == header.message_id else self.unasked).append(answer)
        assert mine, f"no answer to {Command(command).name}"
        return mine[-1]

    def begin(self, command: int, body: bytes, **fields: Any) -> None:
        """Send a request that is not answered yet, not even by an interim response."""
        header = self.header(command, **fields)
        self.send(self.encode(header, body))
        self.unasked += self.receive()
        assert all(answer.header.message_id != header.message_id for answer in self.unasked)

    def negotiate(self) -> Answer:
        """Agree on C{dialect}."""
        contexts: list[Any] = []
        if self.dialect == Dialect.SMB_3_1_1:
            contexts = [
                PreauthIntegrityCapabilities([1], bytes(32)),
                EncryptionCapabilities(self.ciphers),
                SigningCapabilities(self.signing),
            ]
            if self.posix:
                contexts.append(PosixExtensionsAvailable([POSIX]))
        request = NegotiateRequest([self.dialect], 1, self.capabilities, self.client_guid, contexts)
        header = self.header(Command.NEGOTIATE, charge=1)
        message = header.encode() + request.encode()
        self.preauth.update(message)
        self.send(message)
        (answer,) = self.receive()
        if answer.status is Status.SUCCESS:
            self.preauth.update(answer.message)
            self.negotiated = NegotiateResponse.parse(answer.message)
        return answer

    def log_on(self, user: str = USER, password: str = PASSWORD, **fields: Any) -> Answer:
        """Log on with NTLM."""
        context = spnego.client(user, password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        token = context.step()
        preauth = self.preauth.copy()
        while True:
            header = self.header(Command.SESSION_SETUP, tree_id=0)
            message = header.encode() + SessionSetupRequest(token or b"", **fields).encode()
            preauth.update(message)
            self.send(message)
            (answer,) = self.receive()
            if answer.status not in (Status.SUCCESS, Status.MORE_PROCESSING_REQUIRED):
                return answer
            self.session_id = answer.header.session_id
            token = context.step(bytes(SessionSetupResponse.parse(answer.message).security_buffer))
            if answer.status is Status.SUCCESS:
                self.named = not SessionSetupResponse.parse(answer.message).session_flags & (SessionFlags.IS_GUEST | SessionFlags.IS_NULL)
                self._use_keys(context.session_key, preauth.value)
                return answer
            preauth.update(answer.message)

    def log_on_anonymously(self) -> Answer:
        """Log on without saying who it is, as impacket does."""
        first, preauth = ntlm.getNTLMSSPType1(), self.preauth.copy()
        challenge = self._set_up(first.getData(), preauth)
        self.session_id = challenge.header.session_id
        preauth.update(challenge.message)
        buffer = bytes(SessionSetupResponse.parse(challenge.message).security_buffer)
        last, key = ntlm.getNTLMSSPType3(first, buffer, "", "", "")
        answer = self._set_up(last.getData(), preauth)
        if answer.status is Status.SUCCESS:
            self.named = False
            self._use_keys(key, preauth.value)
        return answer

    def _set_up(self, token: bytes, preauth: PreauthIntegrity) -> Answer:
        message = self.header(Command.SESSION_SETUP, tree_id=0).encode() + SessionSetupRequest(token).encode()
        preauth.update(message)
        self.send(message)
        (answer,) = self.receive()
        return answer

    def _use_keys(self, session_key: bytes, preauth: bytes) -> None:
        cipher = self.connection.cipher or EncryptionAlgorithm.AES_128_CCM
        keys = session_keys(self.dialect, session_key, preauth, cipher)
        self.signer = signer_for(self.connection.signing_algorithm, keys.signing)
        if keys.client_to_server:
            self.sealer = Sealer(cipher, keys.client_to_server, self.session_id)
            self.unsealer = Unsealer(cipher, keys.server_to_client)

    def enter(self, share: str = "files") -> Answer:
        """Connect to a share."""
        answer = self.ask(Command.TREE_CONNECT, TreeConnectRequest(rf"\\server\{share}").encode())
        if answer.status is Status.SUCCESS:
            self.tree_id = answer.header.tree_id
        return answer

    def create(
        self,
        name: str,
        disposition: int = CreateDisposition.OPEN_IF,
        access: int | None = None,
        share: int = 7,
        contexts: list[CreateContext] | None = None,
        **fields: Any,
    ) -> Answer:
        """Ask for an open."""
        access = self.desires if access is None else access
        request = CreateRequest(name, access, disposition, share_access=share, create_contexts=contexts or [], **fields)
        return self.ask(Command.CREATE, request.encode())

    def open(self, name: str, **fields: Any) -> FileId:
        """An open, which must succeed."""
        answer = self.create(name, **fields)
        assert answer.status is Status.SUCCESS, answer.status
        return CreateResponse.parse(answer.message).file_id

    def lease(self, name: str, wanted: int = RWH, key: bytes = b"k" * 16, **fields: Any) -> FileId:
        """An open that must succeed, with a lease."""
        context = CreateContext(REQUEST_LEASE, LeaseV2(key, wanted).encode())
        answer = self.create(name, contexts=[context], requested_oplock_level=OplockLevel.LEASE, **fields)
        assert answer.status is Status.SUCCESS, answer.status
        response = CreateResponse.parse(answer.message)
        assert response.oplock_level == OplockLevel.LEASE
        return response.file_id

    def last(self) -> Answer:
        """The answer that came last, of those that C{ask} did not return."""
        self.unasked += self.receive()
        return self.unasked.pop()

    def breaks(self) -> list[OplockBreak | LeaseBreakNotification]:
        """The oplock and lease breaks that have come since the last time; other answers go to C{unasked}."""
        self.unasked += self.receive()
        breaks = [answer for answer in self.unasked if answer.header.message_id == 0xFFFFFFFFFFFFFFFF]
        self.unasked = [answer for answer in self.unasked if answer not in breaks]
        return [parse_break_notification(answer.message) for answer in breaks]

    def lease_breaks(self) -> list[LeaseBreakNotification]:
        """The same, where all are of leases."""
        breaks = []
        for told in self.breaks():
            assert isinstance(told, LeaseBreakNotification)
            breaks.append(told)
        return breaks

    def kept(self) -> list[int]:
        """What the client is to keep of its leases, for each break that it was told of."""
        return [int(told.new_lease_state) for told in self.lease_breaks()]

    def close(self, file_id: FileId) -> Answer:
        """End an open."""
        return self.ask(Command.CLOSE, CloseRequest(file_id).encode())

    def read(self, file_id: FileId, offset: int, length: int, minimum: int = 0, **fields: int) -> Answer:
        return self.ask(Command.READ, ReadRequest(file_id, offset, length, minimum).encode(), **fields)

    def write(self, file_id: FileId, data: bytes, offset: int = 0, write_flags: int = 0, **fields: int) -> Answer:
        return self.ask(Command.WRITE, WriteRequest(file_id, offset, data, flags=write_flags).encode(), **fields)

    def lock(self, file_id: FileId, *elements: tuple[int, int, int], number: int = 0, index: int = 0, **fields: int) -> Answer:
        """Ask for byte-range locks, each C{(offset, length, flags)}; C{number} and C{index} are of the lock sequence."""
        request = LockRequest(file_id, [LockElement(*element) for element in elements], number, index)
        return self.ask(Command.LOCK, request.encode(), **fields)

    def query_info(
        self,
        file_id: FileId,
        what: int,
        length: int = 65536,
        kind: int = InfoType.FILE,
        input_buffer: bytes = b"",
        **fields: int,
    ) -> Answer:
        return self.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, kind, what, length, input_buffer=input_buffer).encode(), **fields)

    def query_directory(
        self,
        directory: FileId,
        pattern: str = "*",
        flags: int = 0,
        what: int = FileInformationClass.NAMES,
        length: int = 65536,
        **fields: int,
    ) -> Answer:
        return self.ask(Command.QUERY_DIRECTORY, QueryDirectoryRequest(directory, what, length, pattern, flags).encode(), **fields)

    def watch(self, directory: FileId, completion_filter: int = NAMES_CHANGE, tree: bool = False, length: int = 1000) -> Answer:
        """Wait for changes in a directory, by default for new names, names that go and names that change."""
        request = ChangeNotifyRequest(directory, completion_filter, length, ChangeNotifyFlags.WATCH_TREE if tree else 0)
        return self.ask(Command.CHANGE_NOTIFY, request.encode(), charge=-(-length // 65536))

    def set_info(self, file_id: FileId, what: int, information: Encodable, kind: int = InfoType.FILE, **fields: int) -> Answer:
        return self.ask(Command.SET_INFO, setting(file_id, what, information, kind), **fields)

    def rename(self, file_id: FileId, name: str, replace: bool = False) -> Answer:
        return self.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(replace, name))

    def delete(self, file_id: FileId) -> Answer:
        """Ask that the file be deleted with its last close."""
        return self.set_info(file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(True))

    def control(self, file_id: FileId, code: int, data: bytes = b"", room: int = 65536) -> Answer:
        return self.ask(Command.IOCTL, IoctlRequest(code, file_id, data, room).encode())

    def list(self, name: str = "", pattern: str = "*") -> dict[str, DirectoryEntry]:
        """What is in a directory, without the dots."""
        what = FileInformationClass.ID_BOTH_DIRECTORY
        folder = self.open(name, access=AccessMask.FILE_LIST_DIRECTORY, create_options=CreateOptions.DIRECTORY_FILE)
        answer = self.ask(Command.QUERY_DIRECTORY, QueryDirectoryRequest(folder, what, 65536, pattern).encode())
        assert answer.status is Status.SUCCESS, answer.status
        self.close(folder)
        entries = parse_directory(what, memoryview(QueryDirectoryResponse.parse(answer.message).buffer))
        return {entry.file_name: entry for entry in entries if entry.file_name not in (".", "..")}

    def cancel(self, pending: Answer) -> None:
        """Cancel a request that is pending; it is that request which is answered then."""
        header = self.header(Command.CANCEL, credits=0, flags=HeaderFlags.ASYNC_COMMAND, async_id=pending.header.async_id)
        self.send(self.encode(header, CancelRequest().encode()))


def disconnect(server: Server) -> None:
    """Take all connections from a server, as if the network had gone."""
    for connection in list(server.connections):
        assert isinstance(connection, Connection)
        connection.transport.loseConnection()


class MakeClient(Protocol):
    """Makes clients in the share C{files}, each with a connection and a session of its own."""

    def __call__(self, dialect: int = Dialect.SMB_3_1_1, user: str = USER, **fields: Any) -> Client: ...


class MakeServer(Protocol):
    """Makes servers in memory."""

    def __call__(self, settings: Settings | None = None, shares: list[Share] | None = None) -> Server: ...


class Serve(Protocol):
    """Makes servers of local stores, by the names of the shares."""

    def __call__(self, **stores: LocalStore) -> Server: ...
