from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.ldap.ldaptypes import SR_SECURITY_DESCRIPTOR

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.security_descriptor import (
    Ace,
    AceFlags,
    AceType,
    Acl,
    OpaqueAce,
    SecurityControl,
    SecurityDescriptor,
)
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import BUILTIN_ADMINISTRATORS, EVERYONE, LOCAL_SYSTEM, unix_group

from ..smb2.strategies import hostile_bytes, u8, u32

_OWNER = Sid(5, (21, 1340929953, 1090153140, 3657915059, 1000))
# What smbd answered about a file of mode 0644.
_FROM_SMBD = (
    "0100049014000000300000000000000040000000010500000000000515000000a1f7ec4fb46afa40b35a07dae8030000010200000000001602000000000000000200"
    "580003000000000024009f011200010500000000000515000000a1f7ec4fb46afa40b35a07dae8030000000018008900120001020000000000160200000000000000"
    "0000140089001200010100000000000100000000"
)

_sids = st.builds(Sid, st.integers(0, (1 << 48) - 1), st.lists(u32, max_size=15).map(tuple))
_aces = st.builds(Ace, st.sampled_from([0, 1, 2, 3, 17, 19]), _sids, u32, u8) | st.builds(
    OpaqueAce, st.sampled_from([4, 5, 6, 9, 18, 200]), st.binary(max_size=40), u8
)
_acls = st.builds(Acl, st.lists(_aces, max_size=5), st.sampled_from([2, 4]))
_descriptors = st.builds(
    SecurityDescriptor,
    st.none() | _sids,
    st.none() | _sids,
    st.none() | _acls,
    st.none() | _acls,
    st.just(SecurityControl.SELF_RELATIVE | SecurityControl.DACL_PRESENT | SecurityControl.SACL_PRESENT),
)


def test_what_smbd_answers() -> None:
    control = SecurityControl.SELF_RELATIVE | SecurityControl.DACL_PRESENT | SecurityControl.DACL_PROTECTED
    descriptor = SecurityDescriptor.parse(memoryview(bytes.fromhex(_FROM_SMBD)))
    assert descriptor == SecurityDescriptor(
        owner=_OWNER,
        group=unix_group(0),
        dacl=Acl(
            [
                Ace(AceType.ACCESS_ALLOWED, _OWNER, 0x12019F),
                Ace(AceType.ACCESS_ALLOWED, unix_group(0), 0x120089),
                Ace(AceType.ACCESS_ALLOWED, EVERYONE, 0x120089),
            ]
        ),
        control=control,
    )
    assert descriptor.encode().hex() == _FROM_SMBD


def test_another_parser_reads_the_same() -> None:
    descriptor = SecurityDescriptor(
        owner=BUILTIN_ADMINISTRATORS,
        group=LOCAL_SYSTEM,
        dacl=Acl([Ace(AceType.ACCESS_DENIED, EVERYONE, 0x10000), Ace(AceType.ACCESS_ALLOWED, LOCAL_SYSTEM, 0x1F01FF, AceFlags.INHERITED)]),
        sacl=Acl([Ace(AceType.SYSTEM_AUDIT, EVERYONE, 2, AceFlags.FAILED_ACCESS)]),
    )
    other = SR_SECURITY_DESCRIPTOR(descriptor.encode())
    assert other["OwnerSid"].formatCanonical() == "S-1-5-32-544"
    assert other["GroupSid"].formatCanonical() == "S-1-5-18"
    assert [
        (ace["AceType"], ace["AceFlags"], ace["Ace"]["Mask"]["Mask"], ace["Ace"]["Sid"].formatCanonical()) for ace in other["Dacl"].aces
    ] == [(1, 0, 0x10000, "S-1-1-0"), (0, 0x10, 0x1F01FF, "S-1-5-18")]
    assert [(ace["AceType"], ace["AceFlags"]) for ace in other["Sacl"].aces] == [(2, 0x80)]


def test_null_and_empty_lists_differ() -> None:
    everything = SecurityDescriptor.parse(memoryview(SecurityDescriptor(control=SecurityControl.DACL_PRESENT).encode()))
    nothing = SecurityDescriptor.parse(memoryview(SecurityDescriptor(dacl=Acl()).encode()))
    unsaid = SecurityDescriptor.parse(memoryview(SecurityDescriptor().encode()))
    assert (everything.dacl, everything.control & SecurityControl.DACL_PRESENT) == (None, SecurityControl.DACL_PRESENT)
    assert nothing.dacl == Acl()
    assert (unsaid.dacl, unsaid.control & SecurityControl.DACL_PRESENT) == (None, 0)


def test_a_list_that_is_not_present_is_none() -> None:
    data = bytearray(SecurityDescriptor(dacl=Acl(), sacl=Acl()).encode())
    data[2] &= ~(SecurityControl.DACL_PRESENT | SecurityControl.SACL_PRESENT) & 0xFF
    parsed = SecurityDescriptor.parse(memoryview(data))
    assert (parsed.dacl, parsed.sacl) == (None, None)


@pytest.mark.parametrize("length", range(len(_FROM_SMBD) // 2))
def test_cut_descriptor_is_malformed(length: int) -> None:
    with pytest.raises(MalformedMessage):
        SecurityDescriptor.parse(memoryview(bytes.fromhex(_FROM_SMBD)[:length]))


@pytest.mark.parametrize("start", ["02000480", "01000400"])
def test_other_revisions_and_absolute_form_are_malformed(start: str) -> None:
    with pytest.raises(MalformedMessage):
        SecurityDescriptor.parse(memoryview(bytes.fromhex(start) + bytes(16)))


def test_an_entry_shorter_than_its_header_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="entry of 3 bytes"):
        Acl.parse(memoryview(bytes.fromhex("02000c000100000000000300")))


@given(_descriptors)
def test_round_trip(descriptor: SecurityDescriptor) -> None:
    assert SecurityDescriptor.parse(memoryview(descriptor.encode())) == descriptor


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        SecurityDescriptor.parse(memoryview(b"\x01\0\x14\x80" + data))
    with suppress(MalformedMessage):
        Acl.parse(memoryview(data))
