"""Where the log ends: the newest revision, what every key holds there, and how both move on. No disk, no loop."""

from collections.abc import Sequence

from store.batch import Batch
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
        self._moment = there.moment

    def batch(self, now: float) -> Batch:
        """An empty one that goes on from here. now: seconds since 1970; moments never decrease."""
        return Batch(self.issued, max(self._moment, int(now * 1000)), self.present.get)

    def overtaken(self, batch: Batch) -> Sequence[str]:
        """Keys of the batch that have a note."""
        return [key for key in batch.staged if key in self.notes] if self.notes else ()

    def land(self, batch: Batch) -> list[Event]:
        """A batch of ours is committed; what it did, nothing if it has come back from the database already."""
        if batch.last <= self.issued:
            return []
        for key, row in batch.staged.items():
            self._put(key, row, durable=key not in batch.noted)
        self.revision = self.issued = batch.last
        self._moment = batch.moment
        return batch.events

    def take(self, news: News) -> list[Event]:
        """What others have committed, without what has been heard already."""
        events = []
        for change in news.changes:
            if change.revision <= self.issued:
                continue
            previous = self.present.get(change.key)
            row = None
            if change.value is not None:
                row = Row(change.key, change.value, change.revision, change.created)
            self._put(change.key, row, durable=change.durable)
            self._moment = max(self._moment, change.moment)
            events.append(Event(change.revision, change.key, change.value, previous))
        self.revision = self.issued = max(self.issued, news.issued)
        return events

    def _put(self, key: str, row: Row | None, *, durable: bool) -> None:
        if row is None:
            self.present.drop(key)
        else:
            self.present.put(row)
        if durable or row is None:
            self.notes.pop(key, None)
        else:
            self.notes[key] = row
