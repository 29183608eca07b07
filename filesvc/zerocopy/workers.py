"""How a function gets into a worker thread, so that the reactor's own never waits for a disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.threads import deferToThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from twisted.internet.interfaces import IReactorFromThreads
    from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


def fired_by(future: Future[T], reactor: IReactorFromThreads) -> Deferred[T]:
    """Fires in the reactor's thread with what comes of some other thread's work."""
    result: Deferred[T] = Deferred()

    def tell(done: Future[T]) -> None:
        error = done.exception()
        if error is not None:
            reactor.callFromThread(result.errback, error)
        else:
            reactor.callFromThread(result.callback, done.result())

    future.add_done_callback(tell)
    return result


class InThread(Protocol):
    """Calls a function where waiting hurts nobody."""

    def __call__(self, function: Callable[[], T]) -> Deferred[T]:
        """The function's result or failure, in the reactor's thread."""


def thread_pool(reactor: IReactorFromThreads, pool: ThreadPool | None = None) -> InThread:
    """
    An L{InThread} that uses a pool of threads.

    @param reactor: gets the results; its own pool is used unless another is given.
    """

    def in_thread(function: Callable[[], T]) -> Deferred[T]:
        threads: ThreadPool = pool if pool is not None else reactor.getThreadPool()  # type: ignore[attr-defined]
        result: Deferred[T] = deferToThreadPool(reactor, threads, function)
        return result

    return in_thread


def with_descriptor(in_thread: InThread, fd: int, function: Callable[[int], T]) -> Deferred[T]:
    """
    Call a function of a descriptor in a worker thread.

    It gets a duplicate of its own, so that C{fd} may be closed, and its number given to another file, at any time. That there can be none
    is a failure as any other.
    """
    try:
        own = os.dup(fd)
    except OSError:
        return fail()

    def work() -> T:
        try:
            return function(own)
        finally:
            os.close(own)

    return in_thread(work)
