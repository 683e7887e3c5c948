"""A trace becomes what a disk may hold: nothing synced is missing, everything else may be, also in part."""

from __future__ import annotations

import random

from tests.faults.power import Call, Trace, after_cut, parse

HEX = "".join(f"\\x{byte:02x}" for byte in b"/d/log.db-wal")


def contents(calls: list[Call], cut: int, tries: int = 200) -> set[bytes]:
    return {after_cut(Trace(calls, [], 100), "/f", cut, random.Random(number)) for number in range(tries)}


def test_a_trace_of_several_threads_is_read():
    lines = [
        f'7 pwrite64(3<{HEX}>, "\\x61\\x62", 2, 4096 <unfinished ...>',
        '8 write(1<\\x70>, "\\x6f\\x6b\\x0a", 3) = 3',
        "7 <... pwrite64 resumed>) = 2",
        f"7 fdatasync(3<{HEX}>) = 0",
        f"7 ftruncate(3<{HEX}>, 0) = 0",
        "7 +++ exited with 0 +++",
    ]
    trace = parse(lines)

    assert trace.calls == [
        Call("/d/log.db-wal", 0, 2, b"ab", 4096),
        Call("/d/log.db-wal", 3, 3, is_sync=True),
        Call("/d/log.db-wal", 4, 4),
    ]
    assert trace.said == [(1, b"ok\n")]


def test_what_was_synced_is_there_whatever_the_disk_does():
    calls = [Call("/f", 0, 0, b"a" * 1024), Call("/f", 1, 1, is_sync=True)]

    assert contents(calls, 5) == {b"a" * 1024}


def test_what_was_not_may_be_there_or_not_or_torn_by_sectors():
    whole, half = b"a" * 1024, {b"a" * 512, bytes(512) + b"a" * 512}
    found = contents([Call("/f", 0, 0, whole)], 5)

    assert found == {b"", whole} | half


def test_a_sync_that_has_not_returned_and_a_write_that_came_while_it_ran_promise_nothing():
    late = [Call("/f", 0, 0, b"a" * 512), Call("/f", 1, 9, is_sync=True)]
    beside = [Call("/f", 2, 4, b"a" * 512), Call("/f", 3, 5, is_sync=True)]

    assert contents(late, 5) == contents(beside, 7) == {b"", b"a" * 512}


def test_later_writes_may_be_there_without_earlier_ones():
    calls = [Call("/f", 0, 0, b"a" * 512), Call("/f", 1, 1, b"b" * 512, 512)]

    assert bytes(512) + b"b" * 512 in contents(calls, 5)


def test_what_begins_after_the_cut_has_never_been():
    assert contents([Call("/f", 6, 6, b"a")], 5) == {b""}
