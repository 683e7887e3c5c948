"""Every value on disk brought into the form in which it would be written now: by another key, or no more sealed.

A row's value is written over in its place, so nothing happens as far as anybody can see: no revision, no event, no
conflict with whoever changes the key meanwhile. History is included, so an old key is not needed afterwards, nor is a
plain value left in a file. It keeps no books: what is still to be done is what the database shows, so it may be
killed anywhere, done again, or be done by two at once.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from store import schema
from store.batch import Replacement
from store.checksum import checksum, is_whole
from store.history import History
from store.sealing import ID, PADDED, SEALED, SEALED_PADDED, Lost, Rule, Sealing
from store.upkeep import Upkeep
from store.writer import Writer

SEALINGS = (SEALED, SEALED_PADDED)
AT_ONCE = 50
"""Values written over in one transaction: commits wait that long for their turn."""
PASSES = 3
"""Over all rows: the later ones find what others wrote in the old form, or held, during the first."""


class Tally(NamedTuple):
    """How many values lie in the database in one form. prefix: of the rule, None for all that has none.

    key: the id of the key that sealed them, None where nothing is sealed.
    """

    prefix: str | None
    key: bytes | None
    values: int


@dataclass
class Outcome:
    """changed: values written over. left: values found in another form at the end, which somebody else wrote
    meanwhile. lost: key, revision, and why it could not be opened; these stay as they are."""

    changed: int = 0
    left: int = 0
    lost: dict[tuple[str, int], str] = field(default_factory=dict)


class Resealing:
    """What the owner of a log may do about the sealing of its values."""

    def __init__(self, sealing: Sealing, writer: Writer, past: History, upkeep: Upkeep, *, shared: bool) -> None:
        self._sealing = sealing
        self._writer = writer
        self._past = past
        self._upkeep = upkeep
        self._tables = (schema.changes, schema.noted) if shared else (schema.changes,)

    @property
    def rules(self) -> Sequence[Rule]:
        """In force."""
        return self._sealing.rules

    def use(self, rules: Sequence[Rule]) -> None:
        """Puts other rules into force: for what is written from now on, and for what is read."""
        self._sealing.use(rules)

    async def tally(self, rules: Sequence[Rule] | None = None) -> list[Tally]:
        """What lies in the database, history included, by the rules in force or by others."""
        return await self._past.read(partial(_tally, self._sealing.rules if rules is None else rules, self._tables))

    async def reseal(self) -> AsyncGenerator[Outcome, None]:
        """Does it while it is asked on, and tells how far it is; the last time when no file holds an old form any more.

        Raises LogError; what was done until then stays done.
        """
        outcome = Outcome()
        for _ in range(PASSES):
            outcome.left = 0
            changed = outcome.changed
            for table in self._tables:
                async for _ in self._one_pass(table, outcome):
                    yield outcome
            if not outcome.left and outcome.changed == changed:
                break
        if outcome.changed:
            await self._upkeep.scrubbed()
        yield outcome

    async def _one_pass(self, table: Table, outcome: Outcome) -> AsyncIterator[None]:
        after = 0
        while found := await self._past.read(partial(_stale, self._sealing.heads(), table, after)):
            after = found[-1][0]
            changes = []
            for change in found:
                revision, key, old, created, moment, *checked = change
                if checked and not is_whole(change):  # a new checksum would make it pass for good
                    outcome.lost[str(key), revision] = "is damaged"
                    continue
                value = self._sealing.open(key, old)
                if isinstance(value, Lost):
                    outcome.lost[key, revision] = value.why
                    continue
                new = self._sealing.seal(key, value)
                changes.append(Replacement(revision, old, new, checksum(revision, key, new, created, moment)))
            done = await self._writer.perform(methodcaller("replace", table.name, changes)) if changes else 0
            outcome.changed += done
            outcome.left += len(changes) - done
            yield


def _stale(
    heads: Sequence[tuple[str, bytes | None]], table: Table, after: int, connection: Connection
) -> list[tuple[Any, ...]]:
    statement = schema.stale(table, heads, (SEALED, PADDED, SEALED_PADDED)).where(table.c.revision > after)
    return [tuple(row) for row in connection.execute(statement.order_by(table.c.revision).limit(AT_ONCE))]


def _tally(rules: Sequence[Rule], tables: Sequence[Table], connection: Connection) -> list[Tally]:
    found: dict[tuple[str | None, bytes | None], int] = {}
    for table in tables:
        rows: Any = connection.execute(schema.tally(table, [rule.prefix for rule in rules], SEALINGS, len(SEALED) + ID))
        for number, head, count in rows:
            prefix = None if number < 0 else rules[number].prefix
            key = bytes(head)[len(SEALED) :] if head is not None else None
            found[prefix, key] = found.get((prefix, key), 0) + count
    return [Tally(prefix, key, count) for (prefix, key), count in found.items()]
