"""Messages that are signed and sealed after a logon with NTLM."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from impacket import ntlm

from filesvc.auth.ntlm import SecurityContext
from filesvc.auth.ntlm_crypto import CLIENT, SERVER, arc4, sealing_key, signing_key
from filesvc.auth.session_security import SessionSecurity

FLAGS = 0xE28A8233
KEY = b"\x55" * 16

MESSAGES = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=50), st.binary(max_size=10), st.booleans()), max_size=5)


def test_the_worked_example() -> None:
    """MS-NLMP 4.2.4.4."""
    sealed = bytes.fromhex("54e50165bf1936dc996020c1811b0f06fb5f")
    signature = bytes.fromhex("010000007fb38ec5c55d497600000000")
    server = SessionSecurity(SecurityContext(KEY, FLAGS), 0)
    assert server.unprotect(b"", sealed, b"", signature, True) == "Plaintext".encode("utf-16-le")


class Peer:
    """impacket's end of the same."""

    def __init__(self, first: int) -> None:
        self.numbers = {CLIENT: first, SERVER: first}
        self.streams = {name: arc4(sealing_key(FLAGS, KEY, name)) for name in (CLIENT, SERVER)}

    def _mac(self, name: bytes, message: bytes) -> bytes:
        signed = ntlm.MAC(FLAGS, self.streams[name].update, signing_key(KEY, name), self.numbers[name], message)
        self.numbers[name] += 1
        return bytes(signed.getData())

    def protect(self, before: bytes, message: bytes, after: bytes, seal: bool) -> tuple[bytes, bytes]:
        sent = self.streams[CLIENT].update(message) if seal else message
        return sent, self._mac(CLIENT, before + message + after)

    def opens(self, before: bytes, sent: bytes, after: bytes, signature: bytes, sealed: bool) -> bytes | None:
        message = self.streams[SERVER].update(sent) if sealed else sent
        return message if self._mac(SERVER, before + message + after) == signature else None


@given(MESSAGES, st.integers(0, 1))
def test_both_ends_understand_each_other(messages: list[tuple[bytes, bytes, bytes, bool]], first: int) -> None:
    server, client = SessionSecurity(SecurityContext(KEY, FLAGS), first), Peer(first)
    for before, message, after, seal in messages:
        sent, signature = client.protect(before, message, after, seal)
        assert server.unprotect(before, sent, after, signature, seal) == message
        sent, signature = server.protect(before, message, after, seal)
        assert len(signature) == server.signature_length
        assert client.opens(before, sent, after, signature, seal) == message


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_changed_bit_is_found(message: bytes, data: st.DataObject) -> None:
    sent, signature = Peer(0).protect(b"head", message, b"tail", True)
    whole = bytearray(b"head" + sent + b"tail" + signature)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    end = 4 + len(message)
    changed = (bytes(whole[:4]), bytes(whole[4:end]), bytes(whole[end : end + 4]), bytes(whole[end + 4 :]))
    assert SessionSecurity(SecurityContext(KEY, FLAGS), 0).unprotect(*changed, True) is None
