"""What a persistent open is on disk (MS-SMB2 3.3.1.10)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filesvc.server.caches.lease import Lease

if TYPE_CHECKING:
    from filesvc.server.state.open import Open


@dataclass(slots=True)
class LeaseRecord:
    """A lease. Keys are in hexadecimal."""

    key: str
    version: int
    epoch: int
    parent_key: str | None


@dataclass(slots=True)
class OpenRecord:
    """All that makes an open, in what JSON can hold. C{caching} is a L{LeaseState}; without a C{lease} it is an oplock's."""

    share: str
    path: list[str]
    identity: list[int]
    client_guid: str
    create_guid: str
    action: int
    owner: str
    timeout: float
    granted_access: int
    share_access: int
    create_options: int
    delete_on_close: bool
    delete_pending: bool
    caching: int
    lease: LeaseRecord | None = None
    application: tuple[str, tuple[int, int] | None] | None = None
    locks: list[tuple[int, int, bool]] = field(default_factory=list)
    lock_sequences: list[tuple[int, int]] = field(default_factory=list)
    other_path: list[str] | None = None
    is_directory: bool = False

    @classmethod
    def of(cls, open: Open, delete_pending: bool) -> OpenRecord:
        """What there is to say of a persistent open."""
        origin, durability, share = open.origin, open.durability, open.tree.share
        assert origin is not None
        assert durability is not None
        assert share is not None
        holder, lease, application = open.holder, None, None
        if isinstance(holder, Lease):
            lease = LeaseRecord(holder.key.hex(), holder.version, holder.epoch, holder.parent_key.hex() if holder.parent_key else None)
        if open.application is not None:
            application = str(open.application.instance), open.application.version
        return cls(
            share.name,
            list(open.path),
            [open.file.identity.device, open.file.identity.inode],
            str(origin.client_guid),
            str(origin.create_guid),
            origin.action,
            durability.owner,
            durability.timeout,
            open.granted_access,
            open.share_access,
            open.create_options,
            open.delete_on_close,
            delete_pending,
            holder.state if holder is not None else 0,
            lease,
            application,
            [(held.offset, held.length, held.exclusive) for held in open.node.locks.held_by(open)],
            list(open.lock_sequences.succeeded_last.items()),
            list(durability.other_path) if durability.other_path is not None else None,
            open.is_directory,
        )

    @classmethod
    def parse(cls, text: str) -> OpenRecord:
        """
        The record that L{encode} made a text.

        @raise ValueError: it is none.
        """
        values = json.loads(text)
        try:
            lease = values.pop("lease")
            return cls(**values, lease=LeaseRecord(**lease) if lease is not None else None)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no record of an open: {error}") from None

    def encode(self) -> str:
        """The record as a text."""
        return json.dumps(dataclasses.asdict(self))
