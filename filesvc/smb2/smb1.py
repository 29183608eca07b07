"""The one SMB1 message that an SMB2 server answers: NEGOTIATE (MS-SMB2 3.3.5.3, MS-CIFS 2.2.4.52.1)."""

from __future__ import annotations

from filesvc.dtyp.errors import MalformedMessage

SMB_2_002 = "SMB 2.002"
SMB_2_WILDCARD = "SMB 2.???"

_PROTOCOL_ID = b"\xffSMB"
_HEADER_LENGTH = 32
_COMMAND = 4
_NEGOTIATE = 0x72
_DIALECT_FORMAT = 0x02


def is_smb1(frame: memoryview) -> bool:
    """Whether a frame starts as an SMB1 message does."""
    return frame[: len(_PROTOCOL_ID)] == _PROTOCOL_ID


def parse_negotiate(frame: memoryview) -> list[str]:
    """
    The dialects that an SMB1 NEGOTIATE offers, such as L{SMB_2_WILDCARD}.

    @raise MalformedMessage: the frame is none.
    """
    if not is_smb1(frame) or len(frame) < _HEADER_LENGTH + 3 or frame[_COMMAND] != _NEGOTIATE:
        raise MalformedMessage("no SMB1 NEGOTIATE")
    word_count = frame[_HEADER_LENGTH]
    start = _HEADER_LENGTH + 3
    byte_count = int.from_bytes(frame[start - 2 : start], "little")
    dialects = bytes(frame[start : start + byte_count])
    if word_count or len(dialects) < byte_count:
        raise MalformedMessage(f"an SMB1 NEGOTIATE with {word_count} words and {len(dialects)} of {byte_count} bytes")
    *entries, rest = dialects.split(b"\x00")
    if rest or any(not entry or entry[0] != _DIALECT_FORMAT for entry in entries):
        raise MalformedMessage("dialects of an SMB1 NEGOTIATE that are no list of strings")
    return [entry[1:].decode("ascii", "replace") for entry in entries]
