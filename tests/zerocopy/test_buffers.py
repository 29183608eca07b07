from __future__ import annotations

import ctypes
import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.zerocopy.buffers import SIZES, BufferPool


@given(st.integers(0, 12 << 20))
def test_buffer_has_the_size_asked_for_and_begins_with_a_page(size: int) -> None:
    pool = BufferPool()
    buffer = pool.acquire(size)
    assert len(buffer.view) == size
    if size:
        assert ctypes.addressof(ctypes.c_char.from_buffer(buffer.view)) % mmap.PAGESIZE == 0
    buffer.release()


def test_memory_is_used_again() -> None:
    pool = BufferPool()
    first = pool.acquire(100_000)
    first.view[:4] = b"mark"
    first.release()
    second = pool.acquire(90_000)
    assert bytes(second.view[:4]) == b"mark"


def test_two_loans_are_apart() -> None:
    pool = BufferPool()
    first, second = pool.acquire(100), pool.acquire(100)
    first.view[:] = b"1" * 100
    second.view[:] = b"2" * 100
    assert first.view == b"1" * 100


def test_largest_transfer_and_its_header_fit() -> None:
    pool = BufferPool()
    pool.acquire((8 << 20) + 112).release()
    assert pool.kept == SIZES[-1]


def test_releasing_twice_is_an_error() -> None:
    buffer = BufferPool().acquire(1)
    buffer.release()
    with pytest.raises(RuntimeError):
        buffer.release()


def test_loans_are_counted() -> None:
    pool = BufferPool()
    buffers = [pool.acquire(1 << number) for number in range(25)]
    assert pool.outstanding == 25
    for buffer in buffers:
        buffer.release()
    assert pool.outstanding == 0


def test_no_more_is_kept_than_allowed() -> None:
    pool = BufferPool(keep=SIZES[0])
    for buffer in [pool.acquire(1), pool.acquire(1), pool.acquire(SIZES[-1] + 1)]:
        buffer.release()
    assert pool.kept == SIZES[0]


def test_view_is_gone_after_release() -> None:
    buffer = BufferPool().acquire(10)
    buffer.release()
    assert len(buffer.view) == 0
