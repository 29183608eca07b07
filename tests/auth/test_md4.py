"""MD4 against RFC 1320's vectors and another implementation."""

from __future__ import annotations

import pytest
from Cryptodome.Hash import MD4
from hypothesis import given
from hypothesis.strategies import binary, integers

from filesvc.auth.md4 import md4


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_vectors_of_rfc_1320(message: bytes, digest: str) -> None:
    assert md4(message).hex() == digest


@given(binary(max_size=300))
def test_agrees_with_cryptodome(message: bytes) -> None:
    assert md4(message) == MD4.new(message).digest()


@given(integers(50, 70))
def test_agrees_with_cryptodome_around_a_block(length: int) -> None:
    assert md4(bytes(length)) == MD4.new(bytes(length)).digest()
