"""Wildcards, held against a plain reading of MS-FSA 2.1.4.4."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.patterns import compile_pattern, has_wildcards
from filesvc.store.upcase import upcase


def matches(pattern: str, name: str) -> bool:
    test = compile_pattern(pattern)
    return test is None or bool(test(upcase(name)))


def means(pattern: str, name: str, at: int = 0) -> bool:
    """Whether the rest of a name, from C{at}, matches, by the sentences of the specification."""
    if not pattern:
        return at == len(name)
    wildcard, rest = pattern[0], pattern[1:]
    character = name[at : at + 1]
    match wildcard:
        case "*":
            return any(means(rest, name, end) for end in range(at, len(name) + 1))
        case "?":
            return bool(character) and means(rest, name, at + 1)
        case "<":
            last = name.rfind(".", at)
            return any(means(rest, name, end) for end in range(at, (last + 1 if last >= 0 else len(name)) + 1))
        case ">":
            return means(rest, name, at + 1) if character not in ("", ".") else means(rest, name, at)
        case '"':
            return means(rest, name, at + 1) if character == "." else not character and means(rest, name, at)
    return upcase(character) == upcase(wildcard) and means(rest, name, at + 1)


@given(st.text('ab.*?<>"', max_size=7), st.text("aAbB.", min_size=1, max_size=9))
def test_as_specified(pattern: str, name: str) -> None:
    assert matches(pattern, name) == (pattern == "*.*" or means(pattern, name))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*", ["a", "a.b", ".", "..", "a.b.c"], []),
        ("*.*", ["a", "a.b", ".a"], []),
        ("*.txt", ["a.txt", "A.TXT", "a.b.Txt", ".txt"], ["a.txt2", "atxt", "a.txt."]),
        ("a?c", ["abc", "A.C"], ["ac", "abbc"]),
        ("<", ["a", "abc", "a."], ["a.b", ".a"]),
        ("<.txt", ["a.txt", "a.b.txt"], ["a.txt.b", "txt"]),
        ("a<c", ["abc", "ac", "a.c", "a.b.c"], ["a.bc", "a.b"]),
        ("a>>", ["a", "ab", "abc"], ["abcd", "a.b", "b"]),
        ("a>>.b", ["a.b", "ax.b", "axy.b"], ["axyz.b"]),
        ('a"b', ["a.b"], ["ab", "a"]),
        ('a"', ["a", "a."], ["a.b", "ab"]),
        ('<"*', ["a", "a.b", "a.b.c"], []),
        ("<<", ["a", "a.b"], []),
        ("*a<b", ["a.b", "aab"], ["a.xb"]),
        ("*a>b*c", ["axbc", "aaxbxc"], ["a.bc", "abc"]),
        ('*a"b*', ["a.b", "ba.bc"], ["ab", "axb"]),
        ("*ax*c", ["axc", "baxxc"], ["a.c"]),
        ("a*b?*?d", ["abcxd", "aabbcd"], ["abcd", "abd"]),
        ("*ab*ab", ["abab", "aababab"], ["ab", "abba"]),
        ("*a<", ["a", "ba.", "a.a"], ["a.b", "ba.c"]),
        ("<a<", ["a", "ba.", "b.a"], ["a.b", "b.a.c"]),
        ('*"<', ["a.", "a", "a.b."], []),
        ("ß", ["ß"], ["ss", "SS"]),
        ("Ä*", ["ä", "äb"], ["a"]),
        ("[a-c]", ["[A-C]"], ["a"]),
        ("a\nb*", ["a\nbc"], ["ab"]),
    ],
)
def test_examples(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes + no if matches(pattern, name)] == yes


@pytest.mark.parametrize("pattern", ["*a" * 127 + "b", "<a" * 60 + "b", "*<>" * 50 + "b"])
def test_no_pattern_takes_forever(pattern: str) -> None:
    before = time.process_time()
    assert not matches(pattern, "a" * 255)
    assert time.process_time() - before < 2


@pytest.mark.parametrize("pattern", ["a\\b", "*/b", "a\0", "*" * 256])
def test_what_can_be_in_no_name(pattern: str) -> None:
    with pytest.raises(StatusError) as caught:
        compile_pattern(pattern)
    assert caught.value.status is Status.OBJECT_NAME_INVALID


@given(st.text('ab.*?<>"', min_size=1, max_size=5))
def test_what_has_no_wildcards_matches_itself_only(pattern: str) -> None:
    assert has_wildcards(pattern) == bool(set(pattern) & set('*?<>"'))
