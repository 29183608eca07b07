"""Search patterns of QUERY_DIRECTORY (MS-FSA 2.1.4.4): C{*}, C{?}, and DOS's C{<}, C{>} and C{"}."""

from __future__ import annotations

import re
from functools import lru_cache, partial
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
        return partial(_matches, pattern)
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


def _matches(pattern: str, name: str) -> bool:
    """Go through the name once, at all places in the pattern that what came before leads to."""
    last_dot = name.rfind(".")
    places = {0}
    for index, character in enumerate(name):
        found = set()
        for place in _with_empty_steps(pattern, places, character):
            wanted = pattern[place : place + 1]
            if wanted == "*" or (wanted == "<" and index != last_dot):
                found.add(place)
            elif (
                wanted in ("?", character) or (wanted == ">" and character != ".") or (wanted == '"' and character == ".") or wanted == "<"
            ):
                found.add(place + 1)
        places = found
    return len(pattern) in _with_empty_steps(pattern, places, "")


def _with_empty_steps(pattern: str, places: set[int], character: str) -> set[int]:
    """The places, and those reached from them without a character, where C{character} comes next (C{""}: the end)."""
    passed = "*<" + ">" * (character in ("", ".")) + '"' * (not character)
    reached = set()
    for place in places:
        reached.add(place)
        while pattern[place : place + 1] and pattern[place] in passed:
            place += 1  # noqa: PLW2901 - on to where that leads
            reached.add(place)
    return reached
