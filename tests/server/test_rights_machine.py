"""
Users, guests, lists, owners, links and moves, in whatever order: who may do what is what the model says.

FILESVC_EXAMPLES has it try more orders than the few of a usual run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorFromThreads

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import AUTHENTICATED_USERS, CREATOR_OWNER, EVERYONE
from filesvc.server import assembly
from filesvc.server.settings import Settings, Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.store.local import LocalStore
from filesvc.zerocopy.workers import thread_pool

from .descriptors import OWNER, listing, owner_of, put
from .dialogue import ANOTHER_USER, PASSWORD, USER, Client, disconnect
from .rights_model import ALL, GUEST, KNOWN, READ_ONLY, Entry, Item, inherit, rights
from .standing_reactor import FakeReactor

EXAMPLES = int(os.environ.get("FILESVC_EXAMPLES", "15"))
USERS = st.sampled_from([USER, ANOTHER_USER, GUEST])
KNOWN_USERS = st.sampled_from([USER, ANOTHER_USER])
SHARES = {"rw": ALL, "ro": READ_ONLY}
RIGHTS = [
    int(right)
    for right in (
        AccessMask.FILE_READ_DATA,
        AccessMask.FILE_WRITE_DATA,
        AccessMask.FILE_READ_ATTRIBUTES,
        AccessMask.FILE_EXECUTE,
        AccessMask.DELETE,
        AccessMask.READ_CONTROL,
        AccessMask.WRITE_DAC,
        AccessMask.WRITE_OWNER,
    )
]
SOME = [int(right) for right in (AccessMask.FILE_GENERIC_READ, AccessMask.FILE_GENERIC_WRITE, AccessMask.FILE_DELETE_CHILD)]
MASKS = st.sampled_from([ALL, *SOME, *RIGHTS])
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from([USER, ANOTHER_USER, KNOWN, "everyone", "creator"]),
        st.sampled_from([True, True, True, False]),
        MASKS,
        st.booleans(),
        st.sampled_from([True, True, True, False]),
    ).filter(lambda entry: entry.passes or entry.here),
    max_size=4,
)
WHICH = st.integers(0, 63)
INHERIT = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT
THROUGH_LINKS = int(AccessMask.FILE_READ_DATA | AccessMask.FILE_WRITE_DATA | AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)


class Rights(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="rights-"))
        self.store = LocalStore(self.folder)
        reactor = FakeReactor()
        portal = Portal(UserRealm())
        users = InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode(), ANOTHER_USER: PASSWORD.encode()})
        portal.registerChecker(users, IUsernameHashedPassword, INTLMv2Response)
        shares = [Share("rw", self.store, guest=True), Share("ro", self.store, guest=True, read_only=True)]
        self.server = assembly.make_server(Settings(guest=True), portal, shares, reactor)
        self.server.compute = thread_pool(cast(IReactorFromThreads, reactor))
        self.clients = {(user, share): self.connect(user, share) for user in (USER, ANOTHER_USER, GUEST) for share in SHARES}
        self.root = Item("", True, None, None)
        self.items = [self.root]
        self.numbers = 0
        self.links: list[tuple[str, Item]] = []
        self.sids = {KNOWN: AUTHENTICATED_USERS, "everyone": EVERYONE, "creator": CREATOR_OWNER}
        for user in (USER, ANOTHER_USER):
            self.make(user, 0, False)
            client = self.clients[user, "rw"]
            file_id = client.open(self.items[-1].path, access=AccessMask.READ_CONTROL)
            self.sids[user] = owner_of(client, file_id)
            client.close(file_id)

    def connect(self, user: str, share: str) -> Client:
        client = Client(self.server)
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on(user).status is Status.SUCCESS
        assert client.enter(share).status is Status.SUCCESS
        return client

    def teardown(self) -> None:
        disconnect(self.server)
        self.store.close()
        shutil.rmtree(self.folder)

    def new_name(self) -> str:
        self.numbers += 1
        return f"i{self.numbers}"

    def folder_at(self, which: int) -> Item:
        folders = [item for item in self.items if item.directory]
        return folders[which % len(folders)]

    def item_at(self, which: int) -> Item:
        return self.items[which % len(self.items)]

    @initialize(first=ENTRIES, second=ENTRIES)
    def begin(self, first: list[Entry], second: list[Entry]) -> None:
        """Two users have a folder each; in the first are others' folder and file, to which links lead; one more file lies beside."""
        for user, entries in ((USER, first), (ANOTHER_USER, second)):
            self.make(user, 0, True)
            self.set_list(user, len(self.items) - 1, entries)
        self.put_there(1, True)
        self.put_there(3, False)
        self.put_there(0, False)
        self.link(5)
        self.link(6)

    @rule(user=USERS, which=WHICH, directory=st.booleans())
    def make(self, user: str, which: int, directory: bool) -> None:
        """A user makes something."""
        parent = self.folder_at(which)
        item = Item(self.new_name(), directory, parent, None if user == GUEST else user)
        client = self.clients[user, "rw"]
        options = CreateOptions.DIRECTORY_FILE if directory else CreateOptions.NON_DIRECTORY_FILE
        answer = client.create(item.path, CreateDisposition.CREATE, AccessMask.FILE_READ_ATTRIBUTES, create_options=options)
        needed = AccessMask.FILE_ADD_SUBDIRECTORY if directory else AccessMask.FILE_ADD_FILE
        may = bool(rights(user, parent) & needed)
        assert answer.status is (Status.SUCCESS if may else Status.ACCESS_DENIED)
        if may:
            self.close(client, answer.message)
            passed = parent.effective()[1]
            if passed is not None:
                item.owner, item.entries = user, inherit(passed, user, directory)
            self.items.append(item)

    @rule(which=WHICH, directory=st.booleans())
    def put_there(self, which: int, directory: bool) -> None:
        """A local program makes something."""
        item = Item(self.new_name(), directory, self.folder_at(which), None)
        path = self.folder / item.path.replace("\\", "/")
        path.mkdir() if directory else path.touch()
        self.items.append(item)

    @rule(which=WHICH)
    def link(self, which: int) -> None:
        """A local program makes a link to something."""
        name, item = self.new_name(), self.item_at(which)
        (self.folder / name).symlink_to(item.path.replace("\\", "/") or ".")
        self.links.append((name, item))

    @rule(user=USERS, which=WHICH, entries=ENTRIES)
    def set_list(self, user: str, which: int, entries: list[Entry]) -> None:
        """A user says who may what."""
        item, client = self.item_at(which), self.clients[user, "rw"]
        if self.try_open(client, item, AccessMask.WRITE_DAC, rights(user, item)):
            descriptor = listing(*map(self.ace, entries))
            assert put(client, self.opened, descriptor) is Status.SUCCESS
            item.owner, item.entries = item.effective()[0], entries
            client.close(self.opened)

    @rule(user=KNOWN_USERS, which=WHICH)
    def take(self, user: str, which: int) -> None:
        """A user makes something his."""
        item, client = self.item_at(which), self.clients[user, "rw"]
        if self.try_open(client, item, AccessMask.WRITE_OWNER, rights(user, item)):
            assert put(client, self.opened, SecurityDescriptor(self.sids[user]), OWNER) is Status.SUCCESS
            item.owner, item.entries = user, item.effective()[1]
            client.close(self.opened)

    @rule(user=USERS, which=WHICH, where=WHICH)
    def move(self, user: str, which: int, where: int) -> None:
        """A user moves something into another folder."""
        item, target, client = self.item_at(which), self.folder_at(where), self.clients[user, "rw"]
        if item.parent in (None, target) or f"{target.path}\\".startswith(f"{item.path}\\"):
            return
        if self.try_open(client, item, AccessMask.DELETE, rights(user, item)):
            name = f"{target.path}\\{item.name}".lstrip("\\")
            status = client.rename(self.opened, name).status
            client.close(self.opened)
            needed = AccessMask.FILE_ADD_SUBDIRECTORY if item.directory else AccessMask.FILE_ADD_FILE
            assert status is (Status.SUCCESS if rights(user, target) & needed else Status.ACCESS_DENIED)
            if status is Status.SUCCESS:
                self.moved(user, item, target)

    def moved(self, user: str, item: Item, target: Item) -> None:
        owner, entries = item.effective()
        if entries is not None and item.follows:
            item.owner, item.entries = owner, entries
        elif item.follows and target.effective()[1] is not None and (user == GUEST or owner != user):
            item.owner, item.follows = owner, False
        item.parent = target
        self.links = [link for link in self.links if os.path.exists(self.folder / link[0])]

    @rule(user=USERS, share=st.sampled_from(sorted(SHARES)), which=WHICH, right=st.sampled_from(RIGHTS))
    def look(self, user: str, share: str, which: int, right: int) -> None:
        """A user may what the model says."""
        client, item = self.clients[user, share], self.item_at(which)
        if self.try_open(client, item, right, rights(user, item, SHARES[share])):
            client.close(self.opened)

    @rule(user=USERS, which=WHICH, right=st.sampled_from([right for right in RIGHTS if right & THROUGH_LINKS]))
    def look_through_a_link(self, user: str, which: int, right: int) -> None:
        """A link gives nobody more, and nobody less."""
        if self.links:
            name, item = self.links[which % len(self.links)]
            client = self.clients[user, "rw"]
            answer = client.create(name, CreateDisposition.OPEN, right)
            assert answer.status is (Status.SUCCESS if rights(user, item) & right else Status.ACCESS_DENIED)
            if answer.status is Status.SUCCESS:
                self.close(client, answer.message)

    def try_open(self, client: Client, item: Item, right: int, may: int) -> bool:
        """Open something, which the model says works or does not."""
        answer = client.create(item.path, CreateDisposition.OPEN, right)
        assert answer.status is (Status.SUCCESS if right & may else Status.ACCESS_DENIED), (item.path, hex(right))
        if answer.status is Status.SUCCESS:
            self.opened = opened(answer.message)
        return answer.status is Status.SUCCESS

    def close(self, client: Client, message: memoryview) -> None:
        client.close(opened(message))

    def ace(self, entry: Entry) -> Ace:
        flags = (INHERIT if entry.passes else AceFlags(0)) | (AceFlags(0) if entry.here else AceFlags.INHERIT_ONLY)
        return Ace(AceType.ACCESS_ALLOWED if entry.allows else AceType.ACCESS_DENIED, self.sids[entry.who], entry.mask, flags)


def opened(message: memoryview) -> FileId:
    return CreateResponse.parse(message).file_id


Rights.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
TestRights = Rights.TestCase
