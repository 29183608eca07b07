"""Cutting what a client sends into frames, whatever pieces it comes in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.server.connection.frames import FrameReceiver
from filesvc.smb2.framing import frame_prefix
from filesvc.zerocopy.buffers import BufferPool

LIMIT = 1000
HEAD = 20
CLAIMED_FROM = 100


class Receiving:
    """A receiver, and what came of what it was fed."""

    def __init__(self, claims: bool = False) -> None:
        self.pool = BufferPool()
        self.frames: list[bytes] = []
        self.too_long: list[int] = []
        self.claims = claims
        self.pauses = False
        self.owed = 0
        self.receiver = FrameReceiver(self.pool, LIMIT, HEAD, CLAIMED_FROM, self._frame, self._head, self._too_long)

    def _frame(self, frame: memoryview, buffer: Any) -> None:
        self.frames.append(bytes(frame))
        if self.pauses:
            self.receiver.pause()
        if buffer is not None:
            buffer.release()

    def _too_long(self, view: memoryview) -> int:
        """Seven bytes that begin with seven are something else, anything else is the client's end."""
        if view[0] == 7:
            return 7 if len(view) >= 7 else 0
        self.too_long.append(int.from_bytes(view[:4], "big"))
        self.receiver.close()
        return 0

    def _head(self, head: memoryview, length: int, rest: memoryview) -> bool:
        if not self.claims:
            return False
        self.receiver.pause()
        self.frames.append(bytes(head))
        self.owed = length - HEAD - len(rest)
        return True

    def feed(self, data: bytes) -> None:
        """Feed on; what a claimed frame is owed goes past the receiver."""
        if self.owed:
            taken = min(self.owed, len(data))
            self.owed, data = self.owed - taken, data[taken:]
            if self.owed:
                return
            self.receiver.resume()
        self.receiver.feed(data)


FRAMES = st.lists(st.integers(0, 200).map(lambda length: bytes([length % 251]) * length), max_size=8)
CUTS = st.lists(st.integers(0, 1700), max_size=12)


def pieces(frames: list[bytes], cuts: list[int]) -> list[bytes]:
    stream = b"".join(frame_prefix(len(frame)) + frame for frame in frames)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    return [stream[start:end] for start, end in pairwise(edges)]


@given(FRAMES, CUTS)
def test_frames_come_out_as_they_went_in(frames: list[bytes], cuts: list[int]) -> None:
    receiving = Receiving()
    for piece in pieces(frames, cuts):
        receiving.feed(piece)
    assert receiving.frames == frames
    assert receiving.pool.outstanding == 0


@given(FRAMES, CUTS)
def test_a_large_frame_that_comes_in_pieces_may_be_claimed(frames: list[bytes], cuts: list[int]) -> None:
    receiving = Receiving(claims=True)
    for piece in pieces(frames, cuts):
        receiving.feed(piece)
    assert len(receiving.frames) == len(frames)
    for got, frame in zip(receiving.frames, frames, strict=True):
        assert got == frame or (got == frame[:HEAD] and len(frame) >= CLAIMED_FROM)
    assert receiving.pool.outstanding == 0


def test_a_large_frame_that_comes_whole_is_not_claimed() -> None:
    receiving = Receiving(claims=True)
    receiving.feed(frame_prefix(CLAIMED_FROM) + bytes(CLAIMED_FROM))
    receiving.feed(frame_prefix(CLAIMED_FROM - 1) + b"some")
    receiving.feed(bytes(CLAIMED_FROM - 5))
    receiving.feed(frame_prefix(CLAIMED_FROM) + bytes(HEAD))
    assert list(map(len, receiving.frames)) == [CLAIMED_FROM, CLAIMED_FROM - 1, HEAD]


@given(FRAMES, CUTS)
def test_what_comes_while_it_pauses_is_kept(frames: list[bytes], cuts: list[int]) -> None:
    receiving = Receiving()
    receiving.receiver.pause()
    for piece in pieces(frames, cuts):
        receiving.feed(piece)
    assert receiving.frames == []
    receiving.receiver.resume()
    assert receiving.frames == frames


def test_a_pause_holds_from_the_next_frame_on() -> None:
    receiving = Receiving()
    receiving.pauses = True
    receiving.feed(frame_prefix(1) + b"a" + frame_prefix(1) + b"b")
    assert receiving.frames == [b"a"]
    receiving.pauses = False
    receiving.receiver.resume()
    assert receiving.frames == [b"a", b"b"]


@pytest.mark.parametrize("cut", [4, 6])
def test_a_frame_beyond_the_limit_is_not_collected(cut: int) -> None:
    receiving = Receiving()
    stream = frame_prefix(LIMIT + 1) + bytes(LIMIT + 1)
    receiving.feed(stream[:cut])
    receiving.feed(stream[cut:])
    assert receiving.too_long == [LIMIT + 1]
    assert receiving.frames == []
    assert receiving.pool.outstanding == 0


@pytest.mark.parametrize("cut", range(4, 15))
def test_something_else_before_a_frame_is_passed_over(cut: int) -> None:
    receiving = Receiving()
    stream = b"\7else..\7again." + frame_prefix(3) + b"abc"
    receiving.feed(stream[:cut])
    receiving.feed(stream[cut:])
    assert receiving.frames == [b"abc"]
    assert receiving.too_long == []


def test_a_frame_at_the_limit_is_taken() -> None:
    receiving = Receiving()
    receiving.feed(frame_prefix(LIMIT))
    receiving.feed(bytes(LIMIT))
    assert receiving.frames == [bytes(LIMIT)]


def test_closing_gives_back_what_was_collected() -> None:
    receiving = Receiving()
    receiving.feed(frame_prefix(50) + b"some")
    assert receiving.pool.outstanding == 1
    receiving.receiver.close()
    assert receiving.pool.outstanding == 0
    receiving.feed(bytes(100))
    assert receiving.frames == []
