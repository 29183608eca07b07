"""
When names match: upper case as Windows file systems see it.

NTFS compares names code unit by code unit through a table, C{$UpCase}. One unit becomes one unit, so C{ß} never becomes C{SS}, and what
lies beyond 16 bits stays as it is. A letter has an upper case only where that one's lower case is the letter again, which keeps the
dotless i, the long s, the micro sign and the Greek symbols apart from the letters that they resemble. The one exception is the final
sigma.

Python's Unicode tables and this rule give every pair of letters that Windows has, and those that Unicode has added since.
"""

from __future__ import annotations

from unicodedata import normalize

_FINAL_SIGMA, _SIGMA = 0x3C2, 0x3A3


def _upcase_character(code: int) -> int:
    if code > 0xFFFF:
        return code
    character = chr(code)
    # Where the full upper case is two letters (U+1F80 and its like), the title case is the single one.
    for upper in (character.upper(), character.title()):
        if len(upper) == 1 and upper.lower() == character:
            return ord(upper)
    return code


class _UpcaseTable(dict[int, int]):
    """C{$UpCase}, filled in as letters are met."""

    def __missing__(self, code: int) -> int:
        upper = self[code] = _upcase_character(code)
        return upper


_TABLE = _UpcaseTable({_FINAL_SIGMA: _SIGMA})


def other_forms(name: str) -> list[str]:
    """
    How else a name may be spelled that looks the same: with letters and their accents as one character each (NFC), or each apart (NFD), as
    old file systems of Macs have it.
    """
    return [] if name.isascii() else [form for form in (normalize("NFC", name), normalize("NFD", name)) if form != name]


def upcase(name: str) -> str:
    """
    The form in which two names are equal if and only if they match by any case; as long as C{name}.
    """
    return name.upper() if name.isascii() else name.translate(_TABLE)
