"""Output as CRI log lines."""

from __future__ import annotations

import pytest

from runtime.logwriter import LONGEST, LogWriter

NOON = 1_795_435_200_123_456_789  # 2026-11-23T12:00:00.123456789Z
HEAD = b"2026-11-23T12:00:00.123456789Z stdout "


@pytest.mark.parametrize(
    ("pieces", "rows"),
    [
        pytest.param([b"hello\n"], [b"F hello"], id="a line"),
        pytest.param([b"he", b"llo\nyou\n"], [b"F hello", b"F you"], id="a line in two pieces"),
        pytest.param([b"\n\n"], [b"F ", b"F "], id="empty lines"),
        pytest.param([b"no end"], [b"P no end"], id="a last line without an end is a part"),
        pytest.param([b"\xff\xfe\n"], [b"F \xff\xfe"], id="bytes that are no UTF-8 pass"),
        pytest.param([b"a" * LONGEST + b"b\n"], [b"P " + b"a" * LONGEST, b"F b"], id="a long line comes in parts"),
        pytest.param([b"a" * LONGEST, b"\n"], [b"P " + b"a" * LONGEST, b"F "], id="a long line that ends exactly"),
    ],
)
def test_lines(tmp_path, pieces, rows):
    log = LogWriter(str(tmp_path / "log"))
    for piece in pieces:
        log.feed("stdout", piece, NOON)
    log.end("stdout", NOON)

    assert (tmp_path / "log").read_bytes() == b"".join(HEAD + row + b"\n" for row in rows)


def test_the_two_streams_do_not_mix(tmp_path):
    log = LogWriter(str(tmp_path / "log"))
    log.feed("stdout", b"half ", NOON)
    log.feed("stderr", b"whole\n", NOON)
    log.feed("stdout", b"line\n", NOON)

    rows = (tmp_path / "log").read_bytes().splitlines()
    assert [row.split(b" ", 1)[1] for row in rows] == [b"stderr F whole", b"stdout F half line"]


def test_files_rotate_and_the_oldest_goes(tmp_path):
    log = LogWriter(str(tmp_path / "log"), rotate_at=100, kept=3)
    for number in range(10):
        log.feed("stdout", b"%d" % number * 80 + b"\n", NOON)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert b"9999" in (tmp_path / "log.1").read_bytes() and b"8888" in (tmp_path / "log.2").read_bytes()


def test_a_disk_that_refuses_costs_lines_only(tmp_path):
    log = LogWriter("/dev/full")
    log.feed("stdout", b"lost\n", NOON)
    assert log.lost == 1

    nowhere = LogWriter(str(tmp_path / "missing" / "log"))
    nowhere.feed("stdout", b"lost\n", NOON)
    (tmp_path / "missing").mkdir()
    nowhere.feed("stdout", b"found\n", NOON)
    assert (tmp_path / "missing" / "log").read_bytes().endswith(b"F found\n")
