from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.store.upcase import other_forms, upcase


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("readme.txt", "README.TXT"),
        ("grüße", "GRÜßE"),
        ("ÿ", "Ÿ"),
        ("σς", "ΣΣ"),
        ("ѐя", "ЀЯ"),
        ("ᾀᾳ", "ᾈᾼ"),
        ("ⅷⓐｚ", "ⅧⒶＺ"),
        ("ǆ", "Ǆ"),
    ],
)
def test_letters_that_match(lower: str, upper: str) -> None:
    assert upcase(lower) == upcase(upper) == upper


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0131", "I"),
        ("\u017f", "S"),
        ("\u00b5", "\u039c"),
        ("\u212a", "K"),
        ("ß", "SS"),
        ("ß", "ẞ"),
        ("İ", "i"),
        ("\u03d0", "\u0392"),
        ("𐐨", "𐐀"),
        ("é", "E"),
    ],
)
def test_letters_that_windows_keeps_apart(one: str, other: str) -> None:
    assert upcase(one) != upcase(other)


@given(st.text(st.characters()))
def test_it_keeps_the_length_and_changes_nothing_twice(name: str) -> None:
    assert len(upcase(name)) == len(name)
    assert upcase(upcase(name)) == upcase(name)


@given(st.text(st.characters()), st.text(st.characters()))
def test_letters_are_taken_one_by_one(one: str, other: str) -> None:
    assert upcase(one) + upcase(other) == upcase(one + other)


def test_only_ascii_becomes_ascii() -> None:
    assert all(upcase(chr(code)) > "\x7f" for code in range(0x80, 0xFFFF))


@given(st.text())
def test_other_forms_lead_back(name: str) -> None:
    for form in other_forms(name):
        assert form != name
        assert normalize("NFC", form) == normalize("NFC", name)


def test_forms() -> None:
    assert other_forms("cafe") == []
    assert other_forms("caf\u00e9") == ["cafe\u0301"]
    assert other_forms("cafe\u0301") == ["caf\u00e9"]
