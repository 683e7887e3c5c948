"""Bits flip and files lose their ends: a store is refused with one line, or tells the truth of everything it serves."""

import contextlib
import random
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from store import Compacted, Damaged, Log, LogError, Retention, Row, Unusable, Write
from store.check import Found
from store.dialects.sqlite_session import remember

FOREVER = Retention(age=None, size=None)


@dataclass
class Whole:
    """A store as a kill left it, and what it held as of each revision."""

    directory: Path
    held: dict[int, list[Row]] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return max(self.held)

    def copy(self, to: Path) -> Path:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.directory, to)
        return to / "log.db"


async def made(directory: Path, *, checkpointed: bool) -> Whole:
    """checkpointed: most of it is in the database and the last few changes in the journal; else all in the journal."""
    whole, draw = Whole(directory / "whole"), random.Random(1)
    path = directory / "live" / "log.db"
    log = await Log.open(path, retention=FOREVER)
    for number in range(60):
        if checkpointed and number == 50:
            await log.close()
            log = await Log.open(path, retention=FOREVER)
        key = f"/web-{draw.randrange(12)}"
        value = None if draw.random() < 0.15 else draw.randbytes(draw.choice((0, 5, 90, 700, 6000)))
        revisions = await log.append(Write(key, value))
        whole.held[revisions[0]] = await log.items("/")
    shutil.copytree(path.parent, whole.directory)  # what a kill leaves: the mark is in the page cache as the rest is
    (whole.directory / "log.db-shm").unlink()
    await log.close()
    return whole


@pytest.fixture(params=[True, False], ids=["most in the database", "all in the journal"])
async def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Whole:
    return await made(tmp_path, checkpointed=request.param)


async def judge(whole: Whole, path: Path) -> str:
    """Opens the store and holds all that it says against the truth; what became of it, in a word."""
    journal = Path(f"{path}-wal")
    before = journal.read_bytes() if journal.exists() else b""
    try:
        log = await Log.open(path, retention=FOREVER)
    except LogError as error:
        assert isinstance(error, Unusable) and "\n" not in str(error), error
        if not isinstance(error.__cause__, Damaged):  # then the files are whole, and it was taken in
            assert not before or journal.read_bytes() == before, "the journal of a refused store was touched"
        return "refused"
    try:
        assert log.revision >= whole.newest
        assert await log.items("/") == whole.held[whole.newest]
        outcome = "whole"
        for revision in range(1, whole.newest + 1, 9):
            rows = whole.held[revision]
            try:
                assert await log.items("/", revision=revision) == rows
                events = await log.events(revision)
                assert [event.revision for event in events] == list(range(revision + 1, whole.newest + 1))
            except Compacted:
                raise
            except LogError as error:
                assert isinstance(error, Damaged | Unusable) and "\n" not in str(error), error
                outcome = "told"
        return outcome
    finally:
        await log.close()


def flip(path: Path, offset: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["log.db", "log.db-wal"])
async def test_a_flipped_bit_is_never_served(whole: Whole, tmp_path: Path, file: str, request: pytest.FixtureRequest):
    draw, outcomes = random.Random(7), []
    size = (whole.directory / file).stat().st_size
    for _ in range(50):
        path = whole.copy(tmp_path / "copy")
        offset, bit = draw.randrange(size), draw.randrange(8)
        flip(path.with_name(file), offset, bit)
        try:
            outcomes.append(await judge(whole, path))
        except BaseException as error:
            error.add_note(f"bit {bit} of byte {offset} of {file}")
            raise

    if not (file == "log.db" and "all in the journal" in request.node.name):  # which then covers every page
        assert {"refused", "told"} & set(outcomes)


@pytest.mark.parametrize("file", ["log.db", "log.db-wal"])
async def test_a_file_that_lost_its_end_is_never_served(whole: Whole, tmp_path: Path, file: str):
    draw = random.Random(8)
    size = (whole.directory / file).stat().st_size
    lengths = {0, 1, 31, 32, 100, 4096, size - 1, size - 4120, *(draw.randrange(size) for _ in range(40))}
    for length in sorted(lengths & set(range(size))):
        path = whole.copy(tmp_path / "copy")
        with path.with_name(file).open("r+b") as cut:
            cut.truncate(length)
        try:
            outcome = await judge(whole, path)
            assert outcome == "refused" or file == "log.db", (
                outcome
            )  # of which the journal may have the page that lacks
        except BaseException as error:
            error.add_note(f"{file} cut to {length} of {size} bytes")
            raise


async def test_a_journal_that_is_gone_is_missed(whole: Whole, tmp_path: Path):
    path = whole.copy(tmp_path / "copy")
    Path(f"{path}-wal").unlink()

    assert await judge(whole, path) == "refused"


@dataclass
class Bent:
    """A closed store; the bytes of its first changes, all of /a, are easy to find in the file."""

    path: Path
    values = (b"first-" * 20, b"second" * 20, b"third-" * 20)

    def bend(self, place: int) -> None:
        """Flips a bit of the byte in the file."""
        flip(self.path, place, 0)

    def value(self, revision: int) -> int:
        """Where it lies."""
        return self.path.read_bytes().index(self.values[revision - 1])

    def checksum(self, revision: int) -> int:
        """Where it ends, behind the value and two numbers."""
        with sqlite3.connect(self.path) as connection:
            (found,) = connection.execute("SELECT checksum FROM changes WHERE revision = ?", (revision,)).fetchone()
        return self.path.read_bytes().index(found.to_bytes(8, "big", signed=True))


@pytest.fixture
async def bent(path: Path) -> Bent:
    log = await Log.open(path, retention=FOREVER)
    for value in Bent.values:
        await log.append(Write("/a", value))
    await log.append(Write("/b", b"b"), Write("/b", None))
    await log.close()
    return Bent(path)


@pytest.mark.parametrize("revision", [1, 2])
async def test_a_damaged_value_of_the_past_costs_that_value_alone(bent: Bent, revision: int):
    bent.bend(bent.value(revision))
    log = await Log.open(bent.path, retention=FOREVER)

    assert log.damaged == {revision: "/a"}
    assert await log.items("/") == [Row("/a", bent.values[2], 3, 1)]
    assert await log.at("/a", 3 - revision) == Row("/a", bent.values[2 - revision], 3 - revision, 1)
    for question in (log.at("/a", revision), log.items("/", revision=revision), log.events(0)):
        with pytest.raises(Damaged) as raised:
            await question
        assert raised.value.changes == (("/a", revision),)
    assert await log.check() == (5, [Found("/a", revision, is_newest=False)])
    await log.compact(3)
    assert await log.check() == (3, [])
    await log.close()


@pytest.mark.parametrize("part", ["key", "upper half of the checksum"])
@pytest.mark.parametrize("revision", [1, 3])
async def test_a_change_of_which_the_key_cannot_be_told_refuses_the_store(bent: Bent, part: str, revision: int):
    """It may be the newest of any key, so nobody can say what the others are."""
    bent.bend(bent.value(revision) - 1 if part == "key" else bent.checksum(revision))

    with pytest.raises(Unusable, match=f"damaged: /. at revision {revision}; restore a backup, or go back"):
        await Log.open(bent.path)


async def test_what_refuses_the_store_is_named_at_once(bent: Bent):
    bent.bend(bent.value(1) - 1)
    bent.bend(bent.value(3))

    with pytest.raises(Unusable, match="damaged: /` at revision 1, /a at revision 3; restore"):
        await Log.open(bent.path)


async def test_a_row_that_is_gone_is_missed_when_it_is_read(bent: Bent):
    """It was there when the store was opened, and nobody erased it."""
    log = await Log.open(bent.path, retention=FOREVER)
    with sqlite3.connect(bent.path) as connection:
        connection.execute("DELETE FROM changes WHERE revision = 2")

    assert await log.at("/a", 1) == Row("/a", bent.values[0], 1, 1)
    for question in (log.at("/a", 2), log.items("/", revision=2), log.events(2)):
        with pytest.raises(Damaged, match="/a at revision 2"):
            await question
    assert log.damaged == {2: "/a"}
    await log.close()


async def test_a_running_store_knows_whose_the_damage_is(bent: Bent):
    log = await Log.open(bent.path, retention=FOREVER)
    with sqlite3.connect(bent.path) as connection:
        connection.execute("UPDATE changes SET key = '/q' WHERE revision IN (2, 3)")

    assert await log.check() == (5, [Found("/q", 2, False, is_named=False), Found("/a", 3, True, is_named=False)])
    await log.append(Write("/a", b"again"))
    await log.compact(log.revision)
    assert await log.check() == (1, [])
    await log.close()


def as_schema_2_wrote(path: Path) -> None:
    """The checksums of a store of schema 3 that began with schema 2: they say of the whole alone what it is."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET checksum = checksum & 0xffffffff WHERE checksum >= 0")
        connection.execute("UPDATE changes SET checksum = ~(~checksum & 0xffffffff) WHERE checksum < 0")
        remember(connection.execute, schema=3)


async def test_of_what_schema_2_wrote_damage_of_the_past_costs_that_value_alone(bent: Bent):
    """From its first opening on, when each change got a checksum that says whose it is."""
    as_schema_2_wrote(bent.path)
    await (await Log.open(bent.path, retention=FOREVER)).close()
    bent.bend(bent.value(1))
    log = await Log.open(bent.path, retention=FOREVER)

    assert log.damaged == {1: "/a"}
    assert await log.items("/", revision=2) == [Row("/a", bent.values[1], 2, 1)]
    await log.close()


async def test_what_schema_2_wrote_and_was_damaged_before_is_refused_and_never_made_to_pass(bent: Bent):
    as_schema_2_wrote(bent.path)
    bent.bend(bent.value(1))

    for _ in range(2):
        with pytest.raises(Unusable, match="damaged: /a at revision 1; restore"):
            await Log.open(bent.path)
