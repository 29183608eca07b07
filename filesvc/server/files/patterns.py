"""Search patterns of QUERY_DIRECTORY (MS-FSA 2.1.4.4): C{*}, C{?}, and DOS's C{<}, C{>} and C{"}."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Callable

_INVALID = re.compile(r"[\x00\\/]")
_LONGEST = 255
_STARS = "*<"
_OF_VARIABLE_LENGTH = frozenset('<>"')
_EXPRESSIONS = {
    "*": ".*",
    "?": ".",
    "<": r"(?:.*(?=.*\.)|.*\.(?=[^.]*$)|[^.]*)",
    ">": r"(?:[^.]|(?=\.|$))",
    '"': r"(?:\.|$)",
}


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Callable[[str], object] | None:
    """
    What tells whether a name, in upper case, matches; C{None} for a pattern that matches everything.

    @raise StatusError: OBJECT_NAME_INVALID for what cannot be in a name, or is longer than any.
    """
    if len(pattern) > _LONGEST or _INVALID.search(pattern):
        raise StatusError(Status.OBJECT_NAME_INVALID)
    if pattern in ("*", "*.*"):
        return None
    pattern = upcase(pattern)
    if _OF_VARIABLE_LENGTH.isdisjoint(pattern):
        return re.compile(_without_going_back(pattern), re.DOTALL).fullmatch
    # With several stars a regular expression can take forever to find that a name does not match.
    if sum(map(pattern.count, _STARS)) > 1:
        return _Places(pattern).match
    return re.compile(_expression(pattern), re.DOTALL).fullmatch


def _expression(pattern: str) -> str:
    return "".join(_EXPRESSIONS.get(character) or re.escape(character) for character in pattern)


def _without_going_back(pattern: str) -> str:
    """The expression for C{*} and C{?}: what stands between stars is best found as early as it can be, and need not be looked for again."""
    first, *between = map(_expression, pattern.split("*"))
    if not between:
        return first
    last = between.pop()
    return first + "".join(f"(?>.*?{part})" for part in between) + ".*" + last


def has_wildcards(pattern: str) -> bool:
    """Whether a search pattern can match more than one name."""
    return not _EXPRESSIONS.keys().isdisjoint(pattern)


def may_be_short(pattern: str) -> bool:
    """
    Whether a search pattern asks for short names as well: all that are not the file's own name have a tilde.

    Without one in it, C{*.htm} would find what only the short name of C{page.html} matches, and whoever deletes that loses it.
    """
    return "~" in pattern


class _Places:
    """
    Goes through a name once, at all places in a pattern that what came before leads to: a bit for each place.

    So a name takes some operations on numbers of 256 bits for each of its characters, whatever the pattern.
    """

    __slots__ = ("_anything", "_end", "_literal", "_not_dots", "_passed", "_stars", "_to_last_dot")

    def __init__(self, pattern: str) -> None:
        def bits(characters: str) -> int:
            return sum(1 << place for place, character in enumerate(pattern) if character in characters)

        self._literal = {character: bits(character) for character in set(pattern).difference("*<")}
        self._literal["."] = bits('."')
        self._anything = bits("?")
        self._not_dots = bits(">")
        self._stars = bits("*")
        self._to_last_dot = bits("<")
        self._end = 1 << len(pattern)
        # What is passed without a character, where another than a dot comes next, a dot, or the end.
        self._passed = _shifts(bits("*<")), _shifts(bits("*<>")), _shifts(bits('*<>"'))

    def match(self, name: str) -> bool:
        last_dot = name.rfind(".")
        before_others, before_dots, before_end = self._passed
        places = 1
        for index, character in enumerate(name):
            is_dot = character == "."
            places = _pass(places, before_dots if is_dot else before_others)
            onward = self._literal.get(character, 0) | self._anything
            if not is_dot:
                onward |= self._not_dots
            staying = self._stars
            if index == last_dot:
                onward |= self._to_last_dot
            else:
                staying |= self._to_last_dot
            places = places & staying | (places & onward) << 1
        return bool(_pass(places, before_end) & self._end)


def _shifts(passed: int) -> list[tuple[int, int]]:
    """By how many places to go on at once, and from where: 1, 2, 4 and so on, as far as all of these may be passed."""
    shifts, shift = [], 1
    while passed:
        shifts.append((shift, passed))
        passed &= passed >> shift
        shift *= 2
    return shifts


def _pass(places: int, shifts: list[tuple[int, int]]) -> int:
    """The places, and those reached from them without a character."""
    for shift, passed in shifts:
        places |= (places & passed) << shift
    return places
