"""
What Prometheus is told of a server, read from its tables when it asks.

All of it is read in the reactor's thread, where the tables change; so the WSGI resource of C{prometheus_client}, which has threads of its
own, is not for this.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from filesvc import __version__
from filesvc.dtyp.status import Status
from filesvc.server.reports.wording import IPC, cache_kind, cache_letters, dialect_name, is_away, share_name, user_kind
from filesvc.server.state.open import PipeOpen
from filesvc.smb2.header import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filesvc.server.server import Server

_SEVERITIES = ("success", "information", "warning", "error")
_LOGON_REFUSED = (Status.LOGON_FAILURE, Status.ACCESS_DENIED)
_COMMANDS = {int(command): command.name.lower() for command in Command}


def registry(server: Server) -> CollectorRegistry:
    """All that is told of a server, and of the process that it runs in."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(server))
    ProcessCollector(registry=registry)
    return registry


class ServerCollector(Collector):
    """One server. Asking it costs a millisecond, and about two microseconds for each open file."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """The metrics, as they are now."""
        server = self._server
        yield InfoMetricFamily("filesvc", "The server.", {"version": __version__, "name": server.settings.name})
        yield from self._clients()
        yield from self._opens()
        yield from self._caches()
        yield from self._requests()
        yield from self._data_path()

    def _clients(self) -> Iterator[Metric]:
        server = self._server
        dialects = Counter(dialect_name(connection.dialect) for connection in server.connections)
        yield _gauge("connections", "Connections, by dialect.", "dialect", dialects)
        kinds = {"user": 0, "guest": 0, "anonymous": 0} | Counter(user_kind(session) for session in server.sessions.values())
        yield _gauge("sessions", "Users logged on.", "kind", kinds)
        trees = Counter(share_name(tree) for session in server.sessions.values() for tree in session.trees.values())
        yield _gauge("tree_connects", "Uses of a share by a session.", "share", self._by_share() | {IPC: 0} | trees)

    def _by_share(self) -> dict[str, int]:
        return {share.name: 0 for share in self._server.shares.values()}

    def _opens(self) -> Iterator[Metric]:
        server = self._server
        opens = Counter(share_name(open.tree) for node in server.nodes for open in node.opens)
        yield _gauge("open_files", "Files and folders open.", "share", self._by_share() | opens)
        pipes = [open for session in server.sessions.values() for open in session.opens.values() if isinstance(open, PipeOpen)]
        yield GaugeMetricFamily("filesvc_open_pipes", "Pipes open.", len(pipes))
        away = [open for open in server.reclaimable if is_away(open)]
        yield GaugeMetricFamily("filesvc_open_files_waiting", "Durable opens that wait for their client to come back.", len(away))
        locks = sum(len(node.locks) for node in server.nodes)
        yield GaugeMetricFamily("filesvc_locks", "Byte ranges locked.", locks)

    def _caches(self) -> Iterator[Metric]:
        held = GaugeMetricFamily("filesvc_caches", "Leases and oplocks held, by what they let clients cache.", labels=["kind", "state"])
        holders = Counter((cache_kind(one), cache_letters(one.state)) for node in self._server.nodes for one in node.caching.holders)
        for labels, count in sorted(holders.items()):
            held.add_metric(labels, count)
        yield held
        breaks = self._server.counts.breaks
        yield _counter("cache_breaks", "Leases and oplocks that clients were told to give up.", "kind", breaks)

    def _requests(self) -> Iterator[Metric]:
        counts = self._server.counts
        requests: Counter[tuple[str, str]] = Counter()
        for (command, status), count in counts.requests.items():
            requests[_COMMANDS.get(command, "unknown"), _severity(status)] += count
        told = CounterMetricFamily("filesvc_requests", "Requests answered, by the severity of the status.", labels=["command", "status"])
        for labels, count in sorted(requests.items()):
            told.add_metric(labels, count)
        yield told
        setups = {status: count for (command, status), count in counts.requests.items() if command == Command.SESSION_SETUP}
        logons = {"accepted": setups.get(Status.SUCCESS, 0), "refused": sum(setups.get(status, 0) for status in _LOGON_REFUSED)}
        yield _counter("logons", "Logons, of further channels and repeated ones too.", "outcome", logons)
        yield _counter("read_bytes", "File data sent, by the way it took.", "way", counts.read)
        yield _counter("written_bytes", "File data taken, by the way it took.", "way", counts.written)

    def _data_path(self) -> Iterator[Metric]:
        path = self._server.data_path
        verdicts = CounterMetricFamily("filesvc_preflight_verdicts", "What was found of reads.", labels=["verdict", "reason"])
        for said, count in sorted(path.preflight.counts.items()):
            verdict, _, reason = said.partition(":")
            verdicts.add_metric((verdict, reason), count)
        yield verdicts
        leases, buffers, drain = path.kernel_leases, path.buffers, path.drain_budget
        yield GaugeMetricFamily("filesvc_kernel_leases", "Files kept as they are by a kernel lease while they are sent.", leases.held)
        yield CounterMetricFamily("filesvc_kernel_lease_breaks", "Kernel leases that other programs wanted back.", leases.breaks)
        yield GaugeMetricFamily("filesvc_buffers_outstanding", "Buffers in use.", buffers.outstanding)
        yield GaugeMetricFamily("filesvc_buffers_kept_bytes", "Buffers that wait for their next use.", buffers.kept)
        yield GaugeMetricFamily("filesvc_pipes_outstanding", "Pipes in use for splice.", path.splice_pipes.outstanding)
        yield GaugeMetricFamily("filesvc_drain_memory_bytes", "Data kept for clients that do not take it.", drain.used)
        yield CounterMetricFamily("filesvc_drain_aborts", "Connections closed for want of such memory.", drain.aborted)


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"filesvc_{name}", text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"filesvc_{name}", text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _severity(status: int) -> str:
    """A logon that goes on has a status of an error's severity, but is none."""
    return "success" if status == Status.MORE_PROCESSING_REQUIRED else _SEVERITIES[status >> 30]
