"""Completion indexes of a Job, many of them in few words: `0,2-4`, as its status writes them.

Source: pkg/controller/job/indexed_job_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Indexes:
    """A set of indexes. intervals: first and last of each, in order, with at least one index between any two."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, indexes: Iterable[int]) -> Indexes:
        return _joined((index, index) for index in indexes)

    @classmethod
    def parse(cls, text: str, completions: int) -> Indexes:
        """Those below `completions`, which may have become fewer since. What is no interval is passed over."""
        found: list[Interval] = []
        for piece in text.split(","):
            first, _, last = piece.partition("-")
            try:
                low, high = int(first), min(int(last or first), completions - 1)
            except ValueError:
                continue
            if 0 <= low <= high:
                found.append((low, high))
        return _joined(found)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, index: int) -> bool:
        return any(first <= index <= last for first, last in self.intervals)

    def __or__(self, other: Indexes) -> Indexes:
        return _joined((*self.intervals, *other.intervals))

    def __and__(self, other: Indexes) -> Indexes:
        found: list[Interval] = []
        mine, others = iter(self.intervals), iter(other.intervals)
        one, two = next(mine, None), next(others, None)
        while one is not None and two is not None:
            low, high = max(one[0], two[0]), min(one[1], two[1])
            if low <= high:
                found.append((low, high))
            if one[1] < two[1]:
                one = next(mine, None)
            else:
                two = next(others, None)
        return Indexes(tuple(found))

    def __str__(self) -> str:
        """Two neighbours are no interval yet: `0,1,3-5`."""
        words = (
            str(first) if first == last else f"{first}{',' if last == first + 1 else '-'}{last}"
            for first, last in self.intervals
        )
        return ",".join(words)

    def missing(self, count: int, completions: int) -> list[int]:
        """The first `count` indexes below `completions` that are not in it."""
        found: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (completions, completions)):
            free = range(candidate, min(first, completions))
            found.extend(free[: count - len(found)])
            candidate = max(candidate, last + 1)
        return found


def _joined(intervals: Iterable[Interval]) -> Indexes:
    joined: list[Interval] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return Indexes(tuple(joined))
