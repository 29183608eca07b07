"""What all connections of a server share to move file data with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.copy import Copier
from filesvc.zerocopy.drain import DrainBudget
from filesvc.zerocopy.lease import LeaseTable
from filesvc.zerocopy.pipes import PipePool
from filesvc.zerocopy.preflight import Preflight
from filesvc.zerocopy.readahead import ReadAhead

if TYPE_CHECKING:
    from filesvc.zerocopy.workers import InThread


class DataPath:
    """
    The data path of a server, which knows no connection; each of those has an L{filesvc.zerocopy.outbox.Outbox} besides.

    @ivar buffers: memory for what is copied.
    @ivar kernel_leases: what holds the length of files that are sent; to be started in the main thread, and stopped at the end.
    @ivar drain_budget: memory for promises that are kept after a lease is gone.
    @ivar preflight: says how a range is sent, before a byte of it is.
    @ivar copier: reads what is not sent from the file itself.
    @ivar read_ahead: brings in what a sequential reader wants next.
    @ivar splice_pipes: what payloads go through from the socket to a file.
    """

    __slots__ = ("buffers", "copier", "drain_budget", "kernel_leases", "preflight", "read_ahead", "splice_pipes")

    def __init__(self, reactor: Any, in_thread: InThread, sendfile_minimum: int, preflight_deadline: float, drain_memory: int) -> None:
        """
        @param in_thread: calls what may wait for a disk.
        @param sendfile_minimum: bytes below which a copy costs less than sendfile.
        @param preflight_deadline: seconds that a range may take to come into memory.
        @param drain_memory: bytes, for all connections.
        """
        self.buffers = BufferPool()
        self.kernel_leases = LeaseTable(reactor)
        self.drain_budget = DrainBudget(reactor, self.buffers, in_thread, limit=drain_memory)
        self.preflight = Preflight(reactor, self.kernel_leases, in_thread, minimum=sendfile_minimum, deadline=preflight_deadline)
        self.copier = Copier(self.buffers, in_thread)
        self.read_ahead = ReadAhead(in_thread)
        self.splice_pipes = PipePool()
