"""What somebody may do with a file: MS-DTYP 2.5.3 and MS-FSA 2.1.5.1.2 on a page, and docs/security.md where a file has no list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from filesvc.dtyp.access_mask import AccessMask

ALL = int(AccessMask.FILE_ALL_ACCESS)
OTHERS = ALL & ~int(AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)
READ_ONLY = int(AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE)
OWNERS = int(AccessMask.READ_CONTROL | AccessMask.WRITE_DAC)
GUEST = "stranger"
KNOWN = "known"
"""The group that all but guests are in."""


@dataclass(slots=True, frozen=True)
class Entry:
    """An entry. C{who} is a user, L{KNOWN}, C{everyone} or C{creator}; it C{passes} on to what is made below, and counts C{here}."""

    who: str
    allows: bool
    mask: int
    passes: bool = False
    here: bool = True


@dataclass(slots=True, eq=False)
class Item:
    """A file or folder. C{owner} is C{None} for the server's account, C{entries} are C{None} where it keeps no list of its own."""

    name: str
    directory: bool
    parent: Item | None
    owner: str | None
    entries: list[Entry] | None = None
    follows: bool = True
    items: list[Item] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.name if self.parent is None or not self.parent.name else f"{self.parent.path}\\{self.name}"

    def effective(self) -> tuple[str | None, list[Entry] | None]:
        """Whose it is, and its list."""
        if self.entries is not None or not self.follows or self.parent is None:
            return self.owner, self.entries
        above, passed = self.parent.effective()
        if passed is None:
            return self.owner, None
        owner = self.owner or above
        return owner, inherit(passed, owner, self.directory)


def inherit(entries: list[Entry], owner: str | None, directory: bool) -> list[Entry]:
    """The list of what somebody makes in a folder with one (MS-DTYP 2.5.3.4); his alone, if that passes nothing on."""
    inherited: list[Entry] = []
    for entry in entries:
        if not entry.passes:
            continue
        if entry.who == "creator":
            inherited.append(replace(entry, who=owner or "", passes=False, here=True))
            inherited += [replace(entry, here=False)] if directory else []
        else:
            inherited.append(replace(entry, passes=directory, here=True))
    return inherited or [Entry(owner or "", True, ALL)]


def allowed(user: str, item: Item) -> int:
    """What a list lets a user do (MS-DTYP 2.5.3.2): of entries that contradict each other the first counts."""
    owner, entries = item.effective()
    owns = owner == user
    if entries is None:
        return ALL if owns else OTHERS
    granted = denied = 0
    for entry in entries:
        if entry.here and entry.who in (user, "everyone", *([] if user == GUEST else [KNOWN])):
            if entry.allows:
                granted |= entry.mask & ~denied
            else:
                denied |= entry.mask & ~granted
    return granted | (OWNERS if owns else 0)


def rights(user: str, item: Item, share: int = ALL) -> int:
    """All that a user may do through a share (MS-FSA 2.1.5.1.2.1)."""
    limit = share & (OTHERS if user == GUEST else ALL)
    found = allowed(user, item)
    if item.parent is not None:
        above = allowed(user, item.parent) & limit
        found |= int(AccessMask.DELETE) if above & AccessMask.FILE_DELETE_CHILD else 0
        found |= int(AccessMask.FILE_READ_ATTRIBUTES) if above & AccessMask.FILE_LIST_DIRECTORY else 0
    return found & limit
