"""One budget for all watchers that do not read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from procorch.api.unread import Unread


class Reader:
    def __init__(self, unread: Unread) -> None:
        self._unread, self.waiting, self.dropped = unread, 0, False

    def gets(self, size: int) -> None:
        if not self.dropped:
            self.waiting += size
            self._unread.grew(self, size)

    def unread(self) -> int:
        return self.waiting

    def drop(self) -> None:
        self.waiting, self.dropped = 0, True
        self._unread.forget(self)


def test_the_worst_goes_first_and_those_that_leave_less_stay() -> None:
    unread = Unread(1600)
    readers = [Reader(unread) for _ in range(4)]
    for reader, size in zip(readers, (900, 400, 200, 200), strict=True):
        reader.gets(size)

    assert [reader.dropped for reader in readers] == [True, False, False, False]


def test_who_reads_in_the_end_is_not_counted() -> None:
    unread = Unread(1600)
    fast, slow = Reader(unread), Reader(unread)
    fast.gets(1000)
    fast.waiting = 0
    slow.gets(1000)
    slow.gets(500)

    assert not fast.dropped and not slow.dropped


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 300), st.booleans()), max_size=200))
def test_there_is_never_much_more_than_the_budget(steps: list[tuple[int, int, bool]]) -> None:
    unread = Unread(1600)
    readers = [Reader(unread) for _ in range(6)]
    for number, size, reads in steps:
        if reads:
            readers[number].waiting = 0
        else:
            readers[number].gets(size)
        assert sum(reader.waiting for reader in readers) <= 1600 + 100 + 300
