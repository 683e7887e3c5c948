"""Where the log ends: the newest revision, what every key holds there, and how both move on. No disk, no loop."""

from collections.abc import Sequence

from store.batch import Batch
from store.check import Found
from store.history import Everything
from store.news import News
from store.present import Present
from store.rows import Event, Row


class Head:
    """Moves by whole batches: our own that are committed, and what others have committed."""

    def __init__(self, there: Everything) -> None:
        self.revision = there.issued
        """The newest revision that is committed."""
        self.issued = there.issued
        """The highest number spent, also on what failed or was lost."""
        self.present = Present(there.rows)
        self.notes = {row.key: row for row in there.notes}
        """What is newer in memory than on disk."""
        self.index = there.index
        """What is on disk besides the rows of `present`."""
        self.index.covered = self.notes
        self._moment = there.moment

    def batch(self, now: float) -> Batch:
        """An empty one that goes on from here. now: seconds since 1970; moments never decrease."""
        return Batch(self.issued, max(self._moment, int(now * 1000)), self.present.get)

    def overtaken(self, batch: Batch) -> Sequence[str]:
        """Keys of the batch that have a note."""
        return [key for key in batch.staged if key in self.notes] if self.notes else ()

    def durable(self, key: str) -> Sequence[int]:
        """The revisions of a key that are on disk, oldest first; a deletion below 0."""
        if revisions := self.index.of_key(key):
            return revisions
        row = self.present.get(key)
        return () if row is None or key in self.notes else (row.revision,)

    def newest(self, key: str) -> int:
        """The last of these; 0 for none."""
        return next(reversed(self.durable(key)), 0)

    def recognised(self, damaged: Sequence[Found]) -> list[Found]:
        """With what memory knows: whether each is the newest of its key, and of which where the disk does not say."""
        unnamed = {found.revision for found in damaged if not found.is_named}
        keys = self.present.keys("", "", None) if unnamed else ()
        owners = {newest: key for key in keys if (newest := self.newest(key)) in unnamed}
        known = [found._replace(key=owners.get(found.revision, found.key)) for found in damaged]
        return [found._replace(is_newest=self.newest(found.key) == found.revision) for found in known]

    def forgotten(self, batch: Batch) -> Sequence[int]:
        """The rows that go with a batch: all but the newest of the keys that it is to forget, its own included."""
        gone: list[int] = []
        for key in dict.fromkeys(batch.forget):
            there = [*map(abs, self.durable(key)), *(row[0] for row in batch.rows if row[1] == key)]
            gone += there[:-1]
        return gone

    def held(self, key: str, revision: int) -> Row | int:
        """What a key held as of a revision, notes apart: the row if it is the present one, else the number of the one
        on disk; 0 for nothing."""
        row = self.present.get(key)
        if row is not None and row.revision <= revision and key not in self.notes:
            return row
        return max(0, self.index.at(key, revision))

    def keys(self, prefix: str, after: str, count: int) -> list[str]:
        """The next keys that hold something, or once did, in order; fewer than asked for at the end."""
        there = (self.present.keys(prefix, after, count), self.index.deleted(prefix, after, count))
        return sorted({*there[0], *there[1]})[:count] if there[1] else there[0]

    def land(self, batch: Batch) -> list[Event]:
        """A batch of ours is committed; what it did, nothing if it has come back from the database already."""
        if batch.last <= self.issued:
            return []
        notes = {row[0] for row in batch.notes}
        for event, row in zip(batch.events, batch.held, strict=True):
            self._put(event, row, durable=event.revision not in notes)
        for key in batch.forget:
            self.index.erase(key, map(abs, self.durable(key)[:-1]))
        self.revision = self.issued = batch.last
        self._moment = batch.moment
        return batch.events

    def take(self, news: News) -> list[Event]:
        """What others have committed, without what has been heard already."""
        events = []
        for change in news.changes:
            if change.revision <= self.issued:
                continue
            row = None
            if change.value is not None:
                row = Row(change.key, change.value, change.revision, change.created)
            event = Event(change.revision, change.key, change.value, self.present.get(change.key))
            self._put(event, row, durable=change.durable)
            self._moment = max(self._moment, change.moment)
            events.append(event)
        self.revision = self.issued = max(self.issued, news.issued)
        return events

    def _put(self, event: Event, row: Row | None, *, durable: bool) -> None:
        """row: what the key holds after the event."""
        key, previous = event.key, event.previous
        kept = previous.revision if previous is not None and key not in self.notes else 0
        if row is None:
            self.index.put(key, -event.revision, kept)
            self.notes.pop(key, None)
            self.present.drop(key)
            return
        self.present.put(row)
        if durable:
            self.index.put(key, event.revision, kept)
            self.notes.pop(key, None)
        else:
            if kept:
                self.index.cover(key, kept)
            self.notes[key] = row
