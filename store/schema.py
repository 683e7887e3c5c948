"""The tables and the statements on them, described once with SQLAlchemy and compiled for a dialect.

changes   one row a change: revision, key, value (NULL = deleted), created, moment, checksum; never updated, but for the
          form in which the value is stored. In order of the revisions alone: of the keys there is index.py
state     a few numbers: schema version, the store's identity, reserved revisions, oldest readable revision,
          the sweep's position

Where several processes have the database open, also (neither is written to a disk before a checkpoint, both are
empty after a crash of the server):

notes     the last note of a key, until a change of it
counter   one row: the highest revision given to anything; who holds its lock may append
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Delete,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy import Text as Words

from store.rows import following

VERSION = 4
"""Of the schema. A store with a greater one is refused, one with a smaller one is changed: migrations.py."""

metadata = MetaData()
_number = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER is SQLite's row id: no second B-tree


class _Blob(LargeBinary):
    """Bytes as SQLite gives them: damage makes a text or a number of them, and its checksum shall say so."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


changes = Table(
    "changes",
    metadata,
    Column("revision", _number, primary_key=True, autoincrement=False),
    Column("key", Words().with_variant(Words(collation="C"), "postgresql"), nullable=False),
    Column("value", LargeBinary().with_variant(_Blob(), "sqlite")),
    Column("created", _number, nullable=False),  # revision of the key's first change
    Column("moment", _number, nullable=False),  # milliseconds since 1970, never decreasing: the time index
    Column("checksum", _number),  # of all the others: checksum.py; NULL only while version 1 becomes version 2
)

state = Table("state", metadata, Column("name", Words, primary_key=True), Column("value", _number, nullable=False))

shared = MetaData()
noted = Table(
    "notes",
    shared,
    Column("key", Words(collation="C"), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("moment", BigInteger, nullable=False),
    prefixes=["UNLOGGED"],
)
counter = Table(
    "counter",
    shared,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("issued", BigInteger, nullable=False),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": 10},  # room for new versions of the row beside the old one
)

COLUMNS = tuple(column.name for column in changes.columns)


def insertion(rows: int) -> Any:
    """INSERT of that many changes in one statement: one step of the database, one hand-over of Python's lock."""
    return insert(changes).values([{name: bindparam(f"{name}_{row}") for name in COLUMNS} for row in range(rows)])


def deletion(rows: int) -> Delete:
    """DELETE of that many changes."""
    return delete(changes).where(changes.c.revision.in_([bindparam(f"revision_{row}") for row in range(rows)]))


def replacement(table: Table) -> Update:
    """Another form of a change's value, where it still has the old one."""
    is_same = (table.c.revision == bindparam("revision_"), table.c.value == bindparam("old_"))
    new: dict[str, Any] = {"value": bindparam("new_")}
    if "checksum" in table.c:
        new["checksum"] = bindparam("checksum_")
    return update(table).where(*is_same).values(new)


def stale(table: Table, heads: Sequence[tuple[str, bytes | None]], special: Sequence[bytes]) -> Select[Any]:
    """The changes or notes, as in COLUMNS, that are not in the form in which they would be written.

    heads: prefix of the keys → how a value under it begins; None for one that is as it is. Of several the first that
    fits counts. special: how values begin that are not as they are.
    """
    is_special = or_(*(_begins(table, head) for head in special))
    wrong = [
        (_under(table, prefix), is_special if head is None else not_(_begins(table, head))) for prefix, head in heads
    ]
    is_stale = case(*wrong, else_=is_special) if wrong else is_special
    columns = [table.c[name] for name in COLUMNS if name in table.c]
    return select(*columns).where(table.c.value.is_not(None), is_stale)


def tally(table: Table, prefixes: Sequence[str], sealed: Sequence[bytes], length: int) -> Select[Any]:
    """How many values there are by the number of their prefix (-1 for none) and by how they begin if they are sealed.

    sealed: how sealed values begin. length: of such a beginning with its key, in bytes.
    """
    found = [(_under(table, prefix), number) for number, prefix in enumerate(prefixes)]
    place = case(*found, else_=-1).label("place") if found else literal(-1).label("place")
    is_sealed = or_(*(_begins(table, head) for head in sealed))
    head = case((is_sealed, _start(table, length)), else_=None).label("head")
    return (
        select(place, head, func.count()).where(table.c.value.is_not(None)).group_by("place", "head").select_from(table)
    )


def _under(table: Table, prefix: str) -> ColumnElement[bool]:
    end = following(prefix)
    begin: ColumnElement[bool] = table.c.key >= prefix
    return begin if end is None else and_(begin, table.c.key < end)


def _start(table: Table, length: int) -> ColumnElement[bytes]:
    """Of an empty value SQLite gives NULL, which is neither like nor unlike anything."""
    return func.coalesce(func.substr(table.c.value, 1, length, type_=LargeBinary), literal(b"", LargeBinary))


def _begins(table: Table, head: bytes) -> ColumnElement[bool]:
    return _start(table, len(head)) == literal(head, LargeBinary)


class Text(NamedTuple):
    """A compiled statement with positional parameters."""

    sql: str
    names: tuple[str, ...]  # of the parameters, in their order
    constants: dict[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(values[name] if name in values else self.constants[name] for name in self.names)


def text_of(statement: Any, dialect: Dialect) -> Text:
    """Compiles once what is run often."""
    compiled = statement.compile(dialect=dialect)
    return Text(str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params))
