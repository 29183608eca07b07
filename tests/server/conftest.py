"""A server in memory, and a client that speaks to it with the wire room's own codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import spnego
from impacket import ntlm
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server import assembly
from filesvc.server.commands.create_contexts.durable import TIMEOUT
from filesvc.server.connection.connection import Connection
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseState, LeaseV2
from filesvc.smb2.contexts.negotiate_contexts import EncryptionCapabilities, PreauthIntegrityCapabilities, SigningCapabilities
from filesvc.smb2.file_id import FileId
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, Header, HeaderFlags
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest, NegotiateResponse
from filesvc.smb2.messages.oplock_break import LeaseBreakNotification, OplockBreak, parse_break_notification
from filesvc.smb2.messages.session_setup import SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.protection.encryption import TRANSFORM_PROTOCOL_ID, EncryptionAlgorithm, Sealer, Unsealer
from filesvc.smb2.protection.keys import session_keys
from filesvc.smb2.protection.preauth import PreauthIntegrity
from filesvc.smb2.protection.signing import Signer, SigningAlgorithm, signed_parts, signer_for
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore
from filesvc.zerocopy.workers import thread_pool

USER, PASSWORD = "alice", "secret"
CLIENT = UUID(int=1)
ANOTHER_USER = "carol"
RWH = LeaseState.READ_CACHING | LeaseState.WRITE_CACHING | LeaseState.HANDLE_CACHING


class ImmediatePool:
    """Threads that are the caller's own."""

    def callInThreadWithCallback(
        self, on_result: Callable[[bool, Any], None], function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException:
            on_result(False, Failure())
        else:
            on_result(True, result)


class FakeReactor(Clock):
    """Time that stands still until it is advanced, and threads that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = ImmediatePool()

    def getThreadPool(self) -> ImmediatePool:
        return self.pool

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    def addReader(self, reader: object) -> None:
        pass

    def removeReader(self, reader: object) -> None:
        pass

    def addSystemEventTrigger(self, *args: Any) -> None:
        pass


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
    """A client's connection, session and tree connect, as far as they have come. What it asks is answered at once."""

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

    def __post_init__(self) -> None:
        self.connection = self.server.buildProtocol(None)
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
        """A message, signed if this client signs and does not encrypt."""
        if not self.sign or self.signer is None or self.seal:
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
        """All that the server has sent since the last time."""
        while self.transport.producer is not None:
            self.transport.producer.resumeProducing()
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
        mine = []
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
        capabilities = Capabilities.ENCRYPTION | Capabilities.DIRECTORY_LEASING
        request = NegotiateRequest([self.dialect], 1, capabilities, self.client_guid, contexts)
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
                self._use_keys(context.session_key, preauth.value)
                return answer
            preauth.update(answer.message)

    def log_on_anonymously(self) -> Answer:
        """Log on without saying who it is, as impacket does."""
        first = ntlm.getNTLMSSPType1()
        challenge = self.ask(Command.SESSION_SETUP, SessionSetupRequest(first.getData()).encode())
        self.session_id = challenge.header.session_id
        buffer = bytes(SessionSetupResponse.parse(challenge.message).security_buffer)
        last, _ = ntlm.getNTLMSSPType3(first, buffer, "", "", "")
        return self.ask(Command.SESSION_SETUP, SessionSetupRequest(last.getData()).encode())

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
        access: int = AccessMask.FILE_ALL_ACCESS,
        share: int = 7,
        contexts: list[CreateContext] | None = None,
        **fields: Any,
    ) -> Answer:
        """Ask for an open."""
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

    def breaks(self) -> list[OplockBreak | LeaseBreakNotification]:
        """The oplock and lease breaks that have come since the last time; other answers go to C{unasked}."""
        self.unasked += self.receive()
        breaks = [answer for answer in self.unasked if answer.header.message_id == 0xFFFFFFFFFFFFFFFF]
        self.unasked = [answer for answer in self.unasked if answer not in breaks]
        return [parse_break_notification(answer.message) for answer in breaks]

    def kept(self) -> list[int]:
        """What the client is to keep of its leases, for each break that it was told of."""
        kept = []
        for told in self.breaks():
            assert isinstance(told, LeaseBreakNotification)
            kept.append(int(told.new_lease_state))
        return kept

    def close(self, file_id: FileId) -> Answer:
        """End an open."""
        return self.ask(Command.CLOSE, CloseRequest(file_id).encode())


@pytest.fixture
def reactor() -> FakeReactor:
    return FakeReactor()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


MakeServer = Callable[..., Server]


@pytest.fixture
def make_server(reactor: FakeReactor, store: MemoryStore) -> Iterator[MakeServer]:
    """Makes a server that shares C{store} as C{files}, with settings of the test's; at the end, nothing may be left of its clients."""
    servers = []

    def make(settings: Settings | None = None, shares: list[Share] | None = None) -> Server:
        portal = Portal(UserRealm())
        checker = InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode(), ANOTHER_USER: PASSWORD.encode()})
        portal.registerChecker(checker, IUsernameHashedPassword, INTLMv2Response)
        servers.append(assembly.make_server(settings or Settings(), portal, shares or [Share("files", store)], reactor))
        servers[-1].compute = thread_pool(reactor)
        return servers[-1]

    yield make
    for server in servers:
        for connection in list(server.connections):
            connection.transport.loseConnection()
    reactor.advance(TIMEOUT)
    for server in servers:
        assert len(server.nodes) == 0, "opens outlived their connections"
        assert server.buffers.outstanding == 0, "buffers leaked"


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    return make_server()


@pytest.fixture
def make_client(server: Server) -> Callable[..., Client]:
    """Makes clients in the share C{files}, each with a connection and a session of its own."""

    def make(dialect: int = Dialect.SMB_3_1_1, user: str = USER, **fields: Any) -> Client:
        client = Client(server, dialect, **fields)
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on(user).status is Status.SUCCESS
        assert client.enter().status is Status.SUCCESS
        return client

    return make


@pytest.fixture
def server_on_disk(make_server: MakeServer, tmp_path: Path) -> Iterator[Server]:
    """A server that shares C{tmp_path} as C{files}."""
    store = LocalStore(tmp_path)
    server = make_server(shares=[Share("files", store)])
    yield server
    for connection in list(server.connections):
        connection.transport.loseConnection()
    store.close()


@pytest.fixture
def serve(make_server: MakeServer, reactor: Any) -> Iterator[Callable[..., Server]]:
    """
    Makes servers of local stores, by the names of the shares, which they close in the end.

    They hear what local programs do when a test calls C{local_programs.doRead}, for their reactor waits for nothing.
    """
    reactor.addReader = reactor.removeReader = lambda reader: None
    servers: list[tuple[Server, list[LocalStore]]] = []

    def serve(**stores: LocalStore) -> Server:
        server = make_server(shares=[Share(name, store) for name, store in stores.items()])
        servers.append((server, list(stores.values())))
        server.local_programs.start()
        return server

    yield serve
    for server, stores in servers:
        for connection in list(server.connections):
            connection.transport.loseConnection()
        server.local_programs.stop()
        for store in stores:
            store.close()


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    """A client in the share C{files}."""
    return make_client()


@pytest.fixture
def another(make_client: Callable[..., Client]) -> Client:
    """One more client in the share C{files}."""
    return make_client()
