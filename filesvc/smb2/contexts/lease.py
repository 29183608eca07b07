"""Leases: what a client may cache (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10, 2.2.14.2.11)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from filesvc.dtyp.errors import MalformedMessage

_LEASE = Struct("<16sIIQ")
_LEASE_V2 = Struct("<16sIIQ16sHH")


class LeaseState(IntFlag):
    """What may be cached."""

    NONE = 0
    READ_CACHING = 0x1
    HANDLE_CACHING = 0x2
    WRITE_CACHING = 0x4


class LeaseFlags(IntFlag):
    """What else is said of a lease."""

    BREAK_IN_PROGRESS = 0x2
    PARENT_LEASE_KEY_SET = 0x4


@dataclass(slots=True)
class Lease:
    """
    The data of an C{RqLs} context in 2.1, asked for in a request and granted in a response.

    C{lease_key} is 16 bytes that the client made, C{lease_state} a L{LeaseState}, C{lease_flags} are L{LeaseFlags}.
    """

    lease_key: bytes
    lease_state: int
    lease_flags: int = 0

    def encode(self) -> bytes:
        """The data of the context."""
        return _LEASE.pack(self.lease_key, self.lease_state, self.lease_flags, 0)


@dataclass(slots=True)
class LeaseV2:
    """
    The data of an C{RqLs} context in 3.x: a L{Lease} with the key of its directory's, if C{lease_flags} say so.

    C{epoch} counts the changes of state.
    """

    lease_key: bytes
    lease_state: int
    lease_flags: int = 0
    parent_lease_key: bytes = bytes(16)
    epoch: int = 0

    def encode(self) -> bytes:
        """The data of the context."""
        return _LEASE_V2.pack(self.lease_key, self.lease_state, self.lease_flags, 0, self.parent_lease_key, self.epoch, 0)


def parse_lease(data: memoryview) -> Lease | LeaseV2:
    """
    The lease in the data of an C{RqLs} context; its length says which kind.

    @raise MalformedMessage: the length is neither kind's.
    """
    if len(data) == _LEASE.size:
        key, state, flags, _ = _LEASE.unpack(data)
        return Lease(key, state, flags)
    if len(data) == _LEASE_V2.size:
        key, state, flags, _, parent_key, epoch, _ = _LEASE_V2.unpack(data)
        return LeaseV2(key, state, flags, parent_key, epoch)
    raise MalformedMessage(f"a lease of {len(data)} bytes")
