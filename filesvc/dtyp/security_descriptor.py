"""Security descriptors in self-relative form, with their access control lists (MS-DTYP 2.4.4 to 2.4.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from functools import lru_cache
from struct import Struct
from typing import TypeAlias

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.sid import LONGEST, Sid
from filesvc.dtyp.structure import section, unpack

_DESCRIPTOR = Struct("<BxHIIII")
_ACL = Struct("<BxHH2x")
_ACE = Struct("<BBH")
_ACCESS_MASK = Struct("<I")
_REVISION = 1


class SecurityInformation(IntFlag):
    """Which parts of a descriptor are asked or set (MS-DTYP 2.4.7)."""

    OWNER = 0x1
    GROUP = 0x2
    DACL = 0x4
    SACL = 0x8
    LABEL = 0x10
    ATTRIBUTE = 0x20
    SCOPE = 0x40
    BACKUP = 0x10000
    UNPROTECTED_SACL = 0x10000000
    UNPROTECTED_DACL = 0x20000000
    PROTECTED_SACL = 0x40000000
    PROTECTED_DACL = 0x80000000


class SecurityControl(IntFlag):
    """What is true of a descriptor's parts (MS-DTYP 2.4.6)."""

    OWNER_DEFAULTED = 0x1
    GROUP_DEFAULTED = 0x2
    DACL_PRESENT = 0x4
    DACL_DEFAULTED = 0x8
    SACL_PRESENT = 0x10
    SACL_DEFAULTED = 0x20
    DACL_TRUSTED = 0x40
    SERVER_SECURITY = 0x80
    DACL_AUTO_INHERIT_REQUIRED = 0x100
    SACL_AUTO_INHERIT_REQUIRED = 0x200
    DACL_AUTO_INHERITED = 0x400
    SACL_AUTO_INHERITED = 0x800
    DACL_PROTECTED = 0x1000
    SACL_PROTECTED = 0x2000
    RM_CONTROL_VALID = 0x4000
    SELF_RELATIVE = 0x8000


class AceType(IntEnum):
    """What an access control entry does (MS-DTYP 2.4.4.1)."""

    ACCESS_ALLOWED = 0
    ACCESS_DENIED = 1
    SYSTEM_AUDIT = 2
    SYSTEM_ALARM = 3
    ACCESS_ALLOWED_OBJECT = 5
    ACCESS_DENIED_OBJECT = 6
    SYSTEM_AUDIT_OBJECT = 7
    ACCESS_ALLOWED_CALLBACK = 9
    ACCESS_DENIED_CALLBACK = 10
    SYSTEM_MANDATORY_LABEL = 17
    SYSTEM_RESOURCE_ATTRIBUTE = 18
    SYSTEM_SCOPED_POLICY_ID = 19


class AceFlags(IntFlag):
    """How an entry is inherited and audited (MS-DTYP 2.4.4.1)."""

    OBJECT_INHERIT = 0x1
    CONTAINER_INHERIT = 0x2
    NO_PROPAGATE_INHERIT = 0x4
    INHERIT_ONLY = 0x8
    INHERITED = 0x10
    SUCCESSFUL_ACCESS = 0x40
    FAILED_ACCESS = 0x80


_MASK_AND_SID = frozenset({0, 1, 2, 3, 17, 19})


@dataclass(slots=True)
class Ace:
    """
    An entry that is a mask and a name: allowed, denied, audit, alarm, mandatory label or scoped policy.

    C{type} is an L{AceType}, C{flags} are L{AceFlags}, C{mask} is an access mask.
    """

    type: int
    sid: Sid
    mask: int
    flags: int = 0

    def encode(self) -> bytes:
        """Its bytes."""
        return _ACE.pack(self.type, self.flags, 8 + self.sid.encoded_length) + _ACCESS_MASK.pack(self.mask) + self.sid.encode()


@dataclass(slots=True)
class OpaqueAce:
    """An entry of any other type, kept as it is: C{body} is all behind its four-byte header."""

    type: int
    body: bytes
    flags: int = 0

    def encode(self) -> bytes:
        """Its bytes."""
        return _ACE.pack(self.type, self.flags, _ACE.size + len(self.body)) + self.body


AnyAce: TypeAlias = Ace | OpaqueAce


@dataclass(slots=True)
class Acl:
    """An access control list. One with no entries allows nothing. C{revision} is 4 where it has object entries."""

    aces: list[AnyAce] = field(default_factory=list)
    revision: int = 2

    @classmethod
    def parse(cls, data: memoryview, most: int | None = None) -> Acl:
        """
        The one that C{data} starts with.

        @raise MalformedMessage: there is none, or one of more than C{most} entries.
        """
        revision, size, count = unpack(_ACL, data)
        data = section(data, 0, size)
        if most is not None and count > most:
            raise MalformedMessage(f"{count} access control entries, where {most} are the most")
        aces: list[AnyAce] = []
        offset = _ACL.size
        for _ in range(count):
            kind, flags, length = unpack(_ACE, data, offset)
            if length < _ACE.size:
                raise MalformedMessage(f"an access control entry of {length} bytes")
            aces.append(_parse_ace(kind, flags, section(data, offset, length)[_ACE.size :]))
            offset += length
        return cls(aces, revision)

    def encode(self) -> bytes:
        """Its bytes."""
        entries = b"".join(ace.encode() for ace in self.aces)
        return _ACL.pack(self.revision, _ACL.size + len(entries), len(self.aces)) + entries


@lru_cache(maxsize=1024)
def _sid(data: bytes) -> Sid:
    """Most lists name the same few."""
    return Sid.parse(memoryview(data))


def _parse_ace(kind: int, flags: int, body: memoryview) -> AnyAce:
    if kind not in _MASK_AND_SID:
        return OpaqueAce(kind, bytes(body), flags)
    (mask,) = unpack(_ACCESS_MASK, body)
    return Ace(kind, _sid(bytes(body[_ACCESS_MASK.size : _ACCESS_MASK.size + LONGEST])), mask, flags)


@dataclass(slots=True)
class SecurityDescriptor:
    """
    Who owns a file and who may do what with it. C{None} is a part that is not there.

    C{control} is of L{SecurityControl}; encoding sets what follows from the parts. A C{dacl} of C{None} with C{DACL_PRESENT} in C{control}
    allows everybody everything; without, nothing is said of access.
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = 0

    @classmethod
    def parse(cls, data: memoryview, most: int | None = None) -> SecurityDescriptor:
        """
        The descriptor in C{data}.

        @raise MalformedMessage: there is none, it is not self-relative, or a list has more than C{most} entries.
        """
        revision, control, owner, group, sacl, dacl = unpack(_DESCRIPTOR, data)
        if revision != _REVISION or not control & SecurityControl.SELF_RELATIVE:
            raise MalformedMessage(f"a security descriptor of revision {revision} and control {control:#06x}")
        return cls(
            Sid.parse(data[owner:]) if owner else None,
            Sid.parse(data[group:]) if group else None,
            Acl.parse(data[dacl:], most) if dacl and control & SecurityControl.DACL_PRESENT else None,
            Acl.parse(data[sacl:], most) if sacl and control & SecurityControl.SACL_PRESENT else None,
            control,
        )

    def encode(self) -> bytes:
        """Its bytes."""
        control = self.control | SecurityControl.SELF_RELATIVE
        if self.dacl is not None:
            control |= SecurityControl.DACL_PRESENT
        if self.sacl is not None:
            control |= SecurityControl.SACL_PRESENT
        body = bytearray()
        offsets = []
        for part in (self.owner, self.group, self.sacl, self.dacl):
            offsets.append(_DESCRIPTOR.size + len(body) if part is not None else 0)
            if part is not None:
                body += part.encode()
                body += bytes(-len(body) % 4)
        return _DESCRIPTOR.pack(_REVISION, control, *offsets) + body
