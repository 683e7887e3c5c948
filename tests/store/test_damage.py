"""Bits flip and files lose their ends: a store is refused with one line, or tells the truth of everything it serves."""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from store import Compacted, Damaged, Log, LogError, Retention, Row, Unusable, Write

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
        assert "refused" in outcomes


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
