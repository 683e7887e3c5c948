"""Frames on a stream of the link, the options of a command, and how its end is told."""

from __future__ import annotations

import json

import pytest

from procorch.link import ProtocolError
from procorch.remotecommand import ERROR, STDOUT, Frames, Wanted, exited, failed, in_words, success


class Loop:
    """What is written is read, in pieces of the size that a test says."""

    def __init__(self, piece: int) -> None:
        self.piece, self.data = piece, b""

    async def write(self, data: bytes) -> None:
        self.data += data

    async def read(self) -> bytes:
        part, self.data = self.data[: self.piece], self.data[self.piece :]
        return part


@pytest.mark.parametrize("piece", [1, 4, 7, 10_000])
async def test_frames_come_whole_however_they_are_cut(piece):
    frames = Frames(Loop(piece))  # type: ignore[arg-type]
    await frames.write(STDOUT, b"hello")
    await frames.write(ERROR, b"")
    await frames.write(STDOUT, b"x" * 1000)

    assert [await frames.read() for _ in range(4)] == [(STDOUT, b"hello"), (ERROR, b""), (STDOUT, b"x" * 1000), None]


async def test_more_than_a_frame_takes_goes_in_several():
    frames = Frames(Loop(1 << 16))  # type: ignore[arg-type]
    data = bytes(range(256)) * 10_000
    await frames.write(STDOUT, data)
    found = []
    while (frame := await frames.read()) is not None:
        found.append(frame)
    assert len(found) == 3
    assert b"".join(piece for _, piece in found) == data


async def test_a_frame_that_is_too_long_is_refused():
    loop = Loop(100)
    loop.data = b"\1\xff\xff\xff\xff"
    with pytest.raises(ProtocolError, match="a frame of 4294967295 bytes"):
        await Frames(loop).read()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, Wanted(False, True, True, False)),
        ({"stdin": "true", "tty": "1"}, Wanted(True, True, False, True)),
        ({"stdout": "false", "stderr": "0"}, Wanted(False, False, False, False)),
    ],
)
def test_what_is_wanted(query, wanted):
    assert Wanted.of(query) == wanted
    assert Wanted.of(dict(wanted.query())) == wanted


def test_how_it_ended():
    assert json.loads(success())["status"] == "Success"
    assert in_words(success()) == ""
    told = json.loads(exited(3))
    assert told["reason"] == "NonZeroExitCode"
    assert told["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert json.loads(failed("no such thing"))["code"] == 500
    assert in_words(failed("no such thing")) == "no such thing"
