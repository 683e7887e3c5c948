"""Which rows each key has on disk, in memory: the table itself is in the order of revisions alone.

An index by key on disk would cost half of what a write costs, since each row of a batch falls on another of its pages.
Here it costs a microsecond a write and 60 bytes a row of the past; etcd does the same.

A key is here only if it has a past: else its one row is the one in Present, or there is none. Revisions of a key stand
in ascending order, a deletion as its negative, and the last of them is the newest that is durable.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Container, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Self

from store.rows import within


class Sweep(NamedTuple):
    """What a compaction may delete in one go.

    rows: the revision of each, behind that of the change that superseded it; a deletion supersedes itself, and comes
    after all that is older of its key. reached: all that was superseded up to there has been deleted then.
    """

    reached: int
    rows: Sequence[tuple[int, int]]


class Index:
    """Changes come in the order of their revisions."""

    def __init__(self) -> None:
        self.covered: Container[str] = ()
        """Keys whose row in Present is a note."""
        self._revisions: dict[str, list[int]] = {}
        self._deleted: list[str] = []  # keys whose newest durable change is a deletion, in order
        # The changes that superseded something, in order: the same numbers and texts as above.
        self._superseding: deque[int] = deque()
        self._keys: deque[str] = deque()

    @classmethod
    def of(cls, changes: Iterable[tuple[int, str]]) -> Self:
        """Of all that is on disk. changes: revision, below 0 for a deletion, and key, in order."""
        index, newest = cls(), dict[str, int]()
        for revision, key in changes:
            if (kept := newest.get(key, 0)) or revision < 0:
                index._append(key, revision, kept)
            newest[key] = revision
        index._deleted = sorted(key for key, revision in newest.items() if revision < 0)
        return index

    # --- as things happen

    def put(self, key: str, revision: int, kept: int) -> None:
        """A change has become durable.

        revision: below 0 for a deletion. kept: of the durable row that Present had of the key, 0 for none.
        """
        revisions = self._revisions.get(key)
        was_deleted = revisions is not None and revisions[-1] < 0
        if was_deleted and revision > 0:
            del self._deleted[bisect_left(self._deleted, key)]
        elif revision < 0 and not was_deleted:
            insort(self._deleted, key)
        self._append(key, revision, kept)

    def cover(self, key: str, kept: int) -> None:
        """A note takes the place of a durable row in Present."""
        if key not in self._revisions:
            self._revisions[key] = [kept]

    def _append(self, key: str, revision: int, kept: int) -> None:
        revisions = self._revisions.get(key)
        if revisions is None:
            if not kept and revision > 0:
                return
            revisions = self._revisions[key] = [kept] if kept else []
        revisions.append(revision)
        self._superseding.append(revision)
        self._keys.append(key)

    # --- questions

    def of_key(self, key: str) -> Sequence[int]:
        """Nothing also for a key whose only row is in Present."""
        return self._revisions.get(key, ())

    def at(self, key: str, revision: int) -> int:
        """The newest change of a key up to a revision, below 0 for a deletion; 0 for none that is known here."""
        revisions = self._revisions.get(key)
        if revisions is None:
            return 0
        place = bisect_right(revisions, revision, key=abs)
        return revisions[place - 1] if place else 0

    def deleted(self, prefix: str, after: str, limit: int) -> list[str]:
        """Keys whose newest durable change is a deletion, as Present's `keys`."""
        return within(self._deleted, prefix, after, limit)

    def quarter(self, oldest: int) -> int:
        """Up to where to compact for a quarter of the past that is left after a revision to go; that revision for
        none."""
        begin = bisect_right(self._superseding, oldest, key=abs)
        count = len(self._superseding) - begin
        return abs(self._superseding[begin + max(count // 4, 1) - 1]) if count else oldest

    # --- what goes from the disk

    def sweep(self, end: int, count: int) -> Sweep:
        """What goes with the next `count` changes, up to a revision, that superseded something."""
        rows: list[tuple[int, int]] = []
        places: dict[str, int] = {}  # how many of a key's revisions are in `rows`
        reached, looked = 0, 0
        for change, key in islice(zip(self._superseding, self._keys, strict=True), count):
            if abs(change) > end:
                break
            looked += 1
            reached = abs(change)
            revisions, begin = self._revisions.get(key, ()), places.get(key, 0)
            place = _superseded(revisions, change, begin)
            rows += [(reached, abs(revision)) for revision in islice(revisions, begin, place)]
            places[key] = place
        return Sweep(reached if looked == count else end, rows)

    def prune(self, reached: int, count: int) -> bool:
        """What superseded up to a revision has been deleted, or of it what goes with `count` changes; False when none
        is left."""
        last: dict[str, int] = {}
        for _ in range(count):
            if not self._superseding or abs(self._superseding[0]) > reached:
                break
            last[self._keys.popleft()] = self._superseding.popleft()
        for key, change in last.items():
            if revisions := self._revisions.get(key):
                self._keep(key, revisions[_superseded(revisions, change, 0) :])
        return bool(last)

    def erase(self, key: str, revisions: Iterable[int]) -> None:
        """These have been deleted; one that is not here, or no more, is passed over."""
        gone = set(revisions)
        if there := self._revisions.get(key):
            self._keep(key, [revision for revision in there if abs(revision) not in gone])

    def _keep(self, key: str, revisions: list[int]) -> None:
        if self._revisions[key][-1] < 0 and not (revisions and revisions[-1] < 0):
            del self._deleted[bisect_left(self._deleted, key)]
        is_in_present = len(revisions) == 1 and revisions[0] > 0 and key not in self.covered
        if revisions and not is_in_present:
            self._revisions[key] = revisions
        else:
            del self._revisions[key]


def _superseded(revisions: Sequence[int], change: int, begin: int) -> int:
    """Where those of a key end, from a place on, that go with a change of it."""
    place = bisect_left(revisions, abs(change), begin, key=abs)
    return place + 1 if change < 0 and place < len(revisions) and revisions[place] == change else place
