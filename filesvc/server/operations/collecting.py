"""Looking now and then for what files have left behind in the server's own folders."""

from __future__ import annotations

from functools import partial
from threading import Event
from time import time
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.files.orphans import Interrupted, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from filesvc.server.settings import Share
    from filesvc.zerocopy.workers import InThread

log = Logger(observer=printed)

EVERY_S: Final = 86400.0


class Collecting:
    """Looks through shares once a day, one after another in a thread, for sidecars that nobody points to."""

    def __init__(self, shares: Callable[[], Iterable[Share]], reactor: Any, in_thread: InThread) -> None:
        self._shares = shares
        self._in_thread = in_thread
        self._stopped = Event()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def start(self) -> None:
        """Begin, with the first look in a day."""
        self._stopped.clear()
        self._looking.start(EVERY_S, now=False).addErrback(lambda failure: log.failure("looking for orphans", failure))

    def stop(self) -> None:
        """Look no more; a look that has begun is given up, for the end of the server waits for it."""
        self._stopped.set()
        self._looking.stop()

    async def _look(self) -> None:
        for store, share in {share.store: share for share in self._shares() if not share.read_only}.items():
            try:
                removed = await self._in_thread(partial(collect, store, time(), self._stopped.is_set))
            except Interrupted:
                return
            except OSError as error:
                log.warn("share {share}: could not look for what is left of removed files: {error}", share=share.name, error=error)
            else:
                if removed:
                    log.info("share {share}: removed what was left of streams: {count}", share=share.name, count=removed)
