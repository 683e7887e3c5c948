import struct
from pathlib import Path

import pytest

from store.dialects.mark import PAGE, Mark, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db.mark"


def test_what_was_reached_is_there_after_the_process_is_gone(path: Path):
    mark = Mark(path)
    mark.reach(5, 1000)
    mark.reach(4)  # what is lower changes nothing
    mark.reach(reserved=900)

    assert read(path) == (5, 1000)  # through another descriptor, while it is mapped
    mark.close()
    assert (Mark(path).revision, Mark(path).reserved) == (5, 1000)
    assert path.stat().st_size == PAGE
    assert path.stat().st_mode & 0o777 == 0o600


def test_numbers_that_are_given_back_stay_given_back(path: Path):
    mark = Mark(path)
    mark.reach(5, 1000)
    mark.lower(5)
    assert read(path) == (5, 5)
    mark.reach(6)
    mark.lower(2000)  # not lower

    assert read(path) == (6, 5)


def test_a_slot_that_is_damaged_or_half_written_leaves_the_other(path: Path):
    mark = Mark(path)
    for revision in range(1, 6):
        mark.reach(revision, 1000)
    for bit in range(20 * 8):
        for slot in (0, 64):
            content = bytearray(path.read_bytes())
            content[slot + bit // 8] ^= 1 << bit % 8
            damaged = path.with_name("damaged")
            damaged.write_bytes(content)
            assert read(damaged) in ((5, 1000), (4, 1000))


@pytest.mark.parametrize("content", [b"", b"short", bytes(PAGE), struct.pack("<qqI", 5, 6, 7)])
def test_a_file_that_says_nothing_is_no_promise(path: Path, content: bytes):
    path.write_bytes(content)

    assert read(path) == (0, 0)
    assert Mark(path).revision == 0


def test_no_file_is_no_promise(path: Path):
    assert read(path) == (0, 0)
