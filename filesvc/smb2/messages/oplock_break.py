"""
OPLOCK_BREAK: a server takes back what it let a client cache (MS-SMB2 2.2.23 to 2.2.25).

Each of the three messages has a form for oplocks and one for leases; StructureSize tells them apart. A notification is a response that no
request asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from filesvc.smb2.body import unpack_fixed
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

_OPLOCK = Struct("<HBBIQQ")
_OPLOCK_SIZE = 24
_LEASE_NOTIFICATION = Struct("<HHI16sIIIII")
_LEASE_NOTIFICATION_SIZE = 44
_LEASE = Struct("<HHI16sIQ")
_LEASE_SIZE = 36


class LeaseBreakFlags(IntFlag):
    """What the client has to do."""

    ACK_REQUIRED = 0x1


@dataclass(slots=True)
class OplockBreak:
    """
    An oplock break: the notification, its acknowledgment and the response to that, which are the same on the wire (MS-SMB2 2.2.23.1,
    2.2.24.1, 2.2.25.1). C{oplock_level} is the L{create.OplockLevel} to break to.
    """

    file_id: FileId
    oplock_level: int

    @classmethod
    def parse(cls, message: memoryview) -> OplockBreak:
        """
        The break in a message.

        @raise MalformedMessage: the body is none.
        """
        _, oplock_level, _, _, persistent, volatile = unpack_fixed(_OPLOCK, _OPLOCK_SIZE, message)
        return cls(FileId(persistent, volatile), oplock_level)

    def encode(self) -> bytes:
        """The body."""
        return _OPLOCK.pack(_OPLOCK_SIZE, self.oplock_level, 0, 0, *self.file_id)


@dataclass(slots=True)
class LeaseBreakNotification:
    """
    Tells a client that a lease breaks (MS-SMB2 2.2.23.2).

    The states are L{lease.LeaseState}s. C{new_epoch} is 0 for the leases of 2.1. C{flags} are L{LeaseBreakFlags}.
    """

    lease_key: bytes
    current_lease_state: int
    new_lease_state: int
    flags: int = 0
    new_epoch: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> LeaseBreakNotification:
        """
        The notification in a message.

        @raise MalformedMessage: the body is none.
        """
        _, new_epoch, flags, lease_key, current, new, _, _, _ = unpack_fixed(_LEASE_NOTIFICATION, _LEASE_NOTIFICATION_SIZE, message)
        return cls(lease_key, current, new, flags, new_epoch)

    def encode(self) -> bytes:
        """The body."""
        return _LEASE_NOTIFICATION.pack(
            _LEASE_NOTIFICATION_SIZE,
            self.new_epoch,
            self.flags,
            self.lease_key,
            self.current_lease_state,
            self.new_lease_state,
            0,
            0,
            0,
        )


@dataclass(slots=True)
class LeaseBreak:
    """
    The acknowledgment of a lease break and the response to it, which are the same on the wire (MS-SMB2 2.2.24.2, 2.2.25.2).

    C{lease_state} is the L{lease.LeaseState} that the client keeps.
    """

    lease_key: bytes
    lease_state: int
    flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> LeaseBreak:
        """
        The acknowledgment or response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, _, flags, lease_key, lease_state, _ = unpack_fixed(_LEASE, _LEASE_SIZE, message)
        return cls(lease_key, lease_state, flags)

    def encode(self) -> bytes:
        """The body."""
        return _LEASE.pack(_LEASE_SIZE, 0, self.flags, self.lease_key, self.lease_state, 0)


def parse_break_notification(message: memoryview) -> OplockBreak | LeaseBreakNotification:
    """
    The notification in a message, whichever form it has.

    @raise MalformedMessage: the body is neither.
    """
    if _structure_size(message) == _LEASE_NOTIFICATION_SIZE:
        return LeaseBreakNotification.parse(message)
    return OplockBreak.parse(message)


def parse_break(message: memoryview) -> OplockBreak | LeaseBreak:
    """
    The acknowledgment (a request), or the response to one, in a message, whichever form it has.

    @raise MalformedMessage: the body is neither.
    """
    if _structure_size(message) == _LEASE_SIZE:
        return LeaseBreak.parse(message)
    return OplockBreak.parse(message)


def _structure_size(message: memoryview) -> int:
    return int.from_bytes(message[HEADER_LENGTH : HEADER_LENGTH + 2], "little")
