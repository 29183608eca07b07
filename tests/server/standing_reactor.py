"""A reactor whose time stands still and whose threads are the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure


class ImmediatePool:
    """Threads that are the caller's own."""

    def callInThreadWithCallback(
        self, on_result: Callable[[bool, Any], None], function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException:  # noqa: BLE001 as a thread pool does
            on_result(False, Failure())
        else:
            on_result(True, result)


class FakeReactor(Clock):
    """Time that stands still until it is advanced, and threads that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = ImmediatePool()

    def getThreadPool(self) -> ImmediatePool:
        return self.pool

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    def addReader(self, reader: object) -> None:
        pass

    def removeReader(self, reader: object) -> None:
        pass

    def addSystemEventTrigger(self, *args: Any) -> None:
        pass
