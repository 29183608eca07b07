from __future__ import annotations

import errno

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filesvc.interfaces import ParentNotFound
from filesvc.store.names import from_disk, to_disk

# Pieces that names are built from in ways that could be confused with one another.
ODD = [
    "\uf022",
    "\uf028",
    "\uf029",
    "\uef80",
    "\uefef",
    "\uefc3",
    "\uefa9",
    "\ud800",
    "\udc00",
    "\udc80",
    "a",
    ".",
    " ",
    ":",
    "é",
    "\U00010000",
]
ODD_BYTES = [piece.encode(errors="surrogatepass") for piece in ODD] + [
    b"\x80",
    b"\xff",
    b"\xed",
    b"\xc3",
    b"\x01",
    b"*",
    b"\xed\xa0",
    b"\xf4\x90",
]

disk_names = (
    st.one_of(st.binary(min_size=1, max_size=255), st.lists(st.sampled_from(ODD_BYTES), min_size=1, max_size=12).map(b"".join))
    .map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda name: name not in (b".", b".."))
)
wire_names = st.one_of(
    st.text(st.characters(), max_size=255),
    st.lists(st.sampled_from(ODD), max_size=12).map("".join),
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-16-le", "surrogatepass") if len(raw) % 2 == 0 else ""),
)


@pytest.mark.parametrize(
    ("disk", "wire"),
    [
        (b"plain.txt", "plain.txt"),
        ("Grüße \U0001f600".encode(), "Grüße \U0001f600"),
        (b'"*:<>?\\|', "\uf020\uf021\uf022\uf023\uf024\uf025\uf026\uf027"),
        (b"tab\there\x01\x1f", "tab\uf009here\uf001\uf01f"),
        (b"ends with.", "ends with\uf029"),
        (b"ends with ", "ends with\uf028"),
        (b" .inside. .x", " .inside. .x"),
        (b"...", "..\uf029"),
        (b"caf\xe9", "caf\uefe9"),
        (b"\xff\x80", "\uefff\uef80"),
        ("\ud83d".encode(errors="surrogatepass"), "\ud83d"),
        ("\ude00\ud83d".encode(errors="surrogatepass"), "\ude00\ud83d"),
    ],
)
def test_names_on_both_sides(disk: bytes, wire: str) -> None:
    assert from_disk(disk) == wire
    assert to_disk(wire) == disk


@pytest.mark.parametrize("private", ["\uf022", "\uf001", "\uf029", "\uef80", "\uefff"])
def test_private_characters_on_disk_are_told_from_those_that_stand_for_others(private: str) -> None:
    disk = b"a" + private.encode()
    shown = from_disk(disk)
    assert shown == "a" + "".join(chr(0xEF00 + byte) for byte in private.encode())
    assert to_disk(shown) == disk
    assert to_disk("a" + private) != disk


def test_private_characters_without_a_meaning_stay() -> None:
    for name in ("\uf02a", "\uf03a", "\uf028x", "a\uf029b", "\ue000", "\uef7f", "\uf8ff"):
        assert from_disk(name.encode()) == name
        assert to_disk(name) == name.encode()


@given(disk_names)
@example(b"\xed\xa0\x80\xed\xb0\x80")
@example(b"\xed\xa0\x80\xed\xa0\x80\xed\xb0\x80")
def test_every_name_on_disk_survives_the_wire_and_comes_back(disk: bytes) -> None:
    shown = from_disk(disk)
    received = shown.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert received == shown
    assert to_disk(received) == disk


@given(disk_names)
def test_no_name_is_shown_with_what_windows_reserves(disk: bytes) -> None:
    shown = from_disk(disk)
    assert not set(shown) & (set('"*:<>?\\|/') | set(map(chr, range(32))))
    assert shown[-1] not in ". "
    assert len(shown.encode("utf-16-le", "surrogatepass")) <= 2 * 255


@given(wire_names)
@example("\uefc3\uefa9")
@example("\ud800\udc00")
@example("\uf029\uf029")
@example("\uefae")
def test_a_clients_name_is_refused_or_shown_again(wire: str) -> None:
    try:
        disk = to_disk(wire)
    except OSError:
        return
    assert disk not in (b"", b".", b"..")
    assert not set(disk) & set(b"/\0")
    assert len(wire.encode("utf-16-le", "surrogatepass")) <= 2 * 255
    shown = from_disk(disk)
    assert shown[:-1] == wire[:-1]
    assert to_disk(shown) == disk


@pytest.mark.parametrize("name", [".", "..", "\uf029", ".\uf029"])
def test_dots_lead_nowhere_however_they_are_spelled(name: str) -> None:
    with pytest.raises(ParentNotFound):
        to_disk(name)


@pytest.mark.parametrize("name", ["", "a/b", "a\0", "what?", "a:b", 'say "x"', "\uefc3\uefa9", "\uef80\udfff\ud800\udc00"])
def test_names_that_no_listing_can_show_are_refused(name: str) -> None:
    with pytest.raises(OSError, match="Invalid") as raised:
        to_disk(name)
    assert raised.value.errno == errno.EINVAL


def test_a_literal_dot_or_space_at_the_end_is_kept_and_shown_mapped() -> None:
    assert to_disk("dir.") == b"dir."
    assert to_disk("dir ") == b"dir "


def test_the_limit_is_in_units_on_the_wire() -> None:
    assert to_disk("é" * 255) == "é".encode() * 255
    assert to_disk("\U0001f600" * 127) == "\U0001f600".encode() * 127
    assert to_disk("\uefff" * 255) == b"\xff" * 255
    for name in ("é" * 256, "x" * 256, "\uefff" * 256, "\U0001f600" * 128):
        with pytest.raises(OSError, match="too long") as raised:
            to_disk(name)
        assert raised.value.errno == errno.ENAMETOOLONG
