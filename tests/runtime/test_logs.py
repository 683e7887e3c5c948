# A test may wait for a file, and says what it reads in one line.
"""Reading logs: tails, times, limits, and following over rotations."""

from __future__ import annotations

import asyncio

import pytest

from runtime.logs import Line, LogReader, Wanted, ending, files_of
from runtime.logwriter import LogWriter

SECOND = 1_000_000_000


@pytest.fixture
def log(tmp_path):
    """Ten lines, one a second, over three files."""
    writer = LogWriter(str(tmp_path / "log"), rotate_at=200)
    for number in range(10):
        writer.feed("stderr" if number == 8 else "stdout", b"line %d\n" % number, (1000 + number) * SECOND)
    assert (tmp_path / "log.2").exists()
    return tmp_path / "log"


async def read(path, **wanted):
    return b"".join([piece async for piece in LogReader(path, Wanted(**wanted))]).decode()


async def test_everything_over_all_files(log):
    assert await read(log) == "".join(f"line {n}\n" for n in range(10))


@pytest.mark.parametrize("count", range(12))
async def test_a_tail_of_any_length(log, count):
    assert await read(log, tail=count) == "".join(f"line {n}\n" for n in range(10))[-7 * count if count else 999 :]


async def test_since_stream_limit_and_stamps(log):
    assert await read(log, since=1008.0) == "line 8\nline 9\n"
    assert await read(log, stream="stderr") == "line 8\n"
    assert await read(log, stream="stdout", tail=2) == "line 7\nline 9\n"
    assert await read(log, limit_bytes=10) == "line 0\nlin"
    assert await read(log, tail=1, timestamps=True) == "1970-01-01T00:16:49.000000000Z line 9\n"


async def test_parts_of_a_line_are_joined_and_stamped_once(tmp_path):
    writer = LogWriter(str(tmp_path / "log"))
    writer.feed("stdout", b"first\n" + b"x" * 40_000 + b"\nunfinished", SECOND)
    writer.end("stdout", SECOND)
    path = tmp_path / "log"

    assert await read(path, tail=2) == "x" * 40_000 + "\nunfinished"
    assert await read(path, tail=1) == "unfinished"
    assert (await read(path, timestamps=True)).count("1970") == 3


async def test_damaged_rows_are_left_out(tmp_path):
    (tmp_path / "log").write_bytes(b"torn\n1970-01-01T00:00:01.000000000Z stdout F good\n\xff\n")
    assert await read(tmp_path / "log") == "good\n"


async def test_a_row_with_a_damaged_stamp_is_not_since_anything(tmp_path):
    (tmp_path / "log").write_bytes(b"1970-xx stdout F bad\n1970-01-01T00:00:09.100000000Z stdout F good\n")
    assert await read(tmp_path / "log", since=1.0) == "good\n"


@pytest.mark.parametrize("tail", [1, 7, 20_000, 20_001])
async def test_the_tail_of_a_log_of_many_blocks(tmp_path, tail):
    rows = [f"2026-01-01T00:00:01.100000000Z stdout F {number}" for number in range(20_000)]
    (tmp_path / "log").write_text("".join(f"{row}\n" for row in rows))
    assert (await read(tmp_path / "log", tail=tail)).split() == [str(n) for n in range(max(20_000 - tail, 0), 20_000)]


def test_an_ending_is_lines_and_bytes(log):
    assert ending(log, 2, 100) == b"line 8\nline 9\n"
    assert ending(log, 99, 100) == b"".join(b"line %d\n" % n for n in range(10))
    assert ending(log, 2, 9) == b"8\nline 9\n"
    assert ending(log.with_name("none"), 2, 9) == b""


def test_a_log_is_all_its_files(log):
    assert [one.name for one in files_of(log)] == ["log.2", "log.1", "log"]


async def test_no_file_is_no_output(tmp_path):
    assert await read(tmp_path / "log", tail=3) == ""


async def test_following_tells_what_comes_over_rotations_until_it_ends(tmp_path):
    path = tmp_path / "log"
    writer = LogWriter(str(path), rotate_at=300)
    writer.feed("stdout", b"old\n", SECOND)
    over = False
    reader = LogReader(path, Wanted(follow=True), ended=lambda: over)
    told = []

    async def write():
        nonlocal over
        for number in range(50):
            writer.feed("stdout", b"new %d\n" % number, SECOND)
            await asyncio.sleep(0.002)
        over = True
        reader.poke()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        async for piece in reader:
            told.append(piece)
    assert b"".join(told).decode() == "old\n" + "".join(f"new {n}\n" for n in range(50))


async def test_following_begins_before_the_file_is_there(tmp_path):
    path = tmp_path / "log"
    over = False
    reader = LogReader(path, Wanted(follow=True), ended=lambda: over)

    async def write():
        nonlocal over
        await asyncio.sleep(0.01)
        LogWriter(str(path)).feed("stdout", b"late\n", SECOND)
        over = True
        reader.poke()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        told = b"".join([piece async for piece in reader])
    assert told == b"late\n"


def test_a_row_is_a_line():
    line = Line.parse(b"2026-11-23T12:00:00.500000000Z stderr P a b")
    assert line == Line(b"2026-11-23T12:00:00.500000000Z", "stderr", b"a b")
    assert line.time == 1_795_435_200.5
    assert Line.parse(b"") is Line.parse(b"x y Q z") is None
