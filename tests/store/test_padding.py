"""Of values that are to leave no trace nothing lies where SQLite leaves stray copies, however long they are."""

import asyncio
import random
from pathlib import Path

import pytest

from store import Key, Log, Row, Rule, Write
from store.sealing import Sealing
from tests.store.conftest import FOREVER

SECRET = b"hunter2-is-the-password"
PAGE, LEAF = 4096, 13
TRACELESS = ("/secrets/",)
KEY = Key("one", bytes(32))


async def test_nothing_of_a_value_is_in_a_page_that_rows_share(path: Path):
    """Values of every size, under keys of every length."""
    log = await Log.open(path, retention=FOREVER, traceless=TRACELESS)
    for size in range(0, 9000, 11):
        key = f"/secrets/{'k' * (size * 7 % 600)}{size}"
        await log.append(Write(key, SECRET + b"\xf7" * size), Write(f"/other/{size}", bytes(size % 300)))
    assert {len(row.value) for row in await log.items("/secrets/")} == {len(SECRET) + n for n in range(0, 9000, 11)}
    await log.close()
    data = path.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    leaves = [page for page in pages if page[0] == LEAF]

    assert len(leaves) > 100
    assert data.count(SECRET) > 800, "but for some that two pages share"
    assert [number for number, page in enumerate(leaves) if b"\xf7" * 4 in page or SECRET[:4] in page] == []


@pytest.mark.parametrize("rules", [[], [Rule("/", (KEY, None))]], ids=["plain", "sealed"])
async def test_after_much_coming_and_going_nothing_is_in_any_file(path: Path, rules: list[Rule]):
    """Many at once, so that pages are merged: without the padding a copy stays behind now and then."""
    draw = random.Random(3)
    log = await Log.open(path, retention=FOREVER, rules=rules, traceless=TRACELESS)

    async def one(number: int) -> None:
        for turn in range(4):
            value = SECRET * draw.randrange(1, 90)
            await log.append(Write(f"/secrets/{number}", value))
            await log.append(Write(f"/other/{number}-{turn}", bytes(draw.randrange(100, 300))))
            assert await log.at(f"/secrets/{number}", log.revision) == await log.latest(f"/secrets/{number}")
        await log.append(Write(f"/secrets/{number}", None, forget=True))

    for _ in range(5):
        await asyncio.gather(*map(one, range(60)))
        await log.compact(log.revision // 2)
    await log.forget("/secrets/0")  # returns when the journal is empty

    assert [file.name for file in path.parent.iterdir() if SECRET in file.read_bytes()] == []
    await log.close()


async def test_what_was_there_before_gets_its_padding_by_writing_it_anew(path: Path):
    log = await Log.open(path, retention=FOREVER)
    await log.append(Write("/secrets/a", SECRET))
    await log.close()
    log = await Log.open(path, retention=FOREVER, traceless=TRACELESS)
    assert await log.latest("/secrets/a") == Row("/secrets/a", SECRET, 1, 1)
    for rules in ([], [Rule("/", (KEY, None))], [Rule("/secrets/a", (None, KEY))]):
        log.resealing.use(rules)
        changed = [[outcome.changed async for outcome in log.resealing.reseal()][-1] for _ in range(2)]
        assert changed == [1, 0]
        assert await log.at("/secrets/a", 1) == Row("/secrets/a", SECRET, 1, 1)
    await log.close()


@pytest.mark.parametrize("rules", [[], [Rule("/", (KEY,))], [Rule("/secrets/x", (None,)), Rule("/sec", (KEY, None))]])
def test_the_heads_tell_how_each_value_begins(rules: list[Rule]):
    sealing = Sealing(rules, ("/secrets/", "/also/"))
    for key in ("/secrets/a", "/secrets/x/a", "/also/a", "/sec", "/other"):
        head = next((head for prefix, head in sealing.heads() if key.startswith(prefix)), None)
        stored = sealing.seal(key, b"{}")

        assert stored == b"{}" if head is None else stored.startswith(head)
        assert len(stored) > 1024 if key.startswith(("/secrets/", "/also/")) else len(stored) < 60
