"""A backup under load is one moment, whole; a file that is not is refused with one line."""

import asyncio
import io
import random

import pytest

from store import Log, Row, Write
from store.backup import BLOCK, Decoder, Encoder, Header, NotWhole, check, rows

HEADER = Header(store=12345, revision=900, oldest=7, made=1_700_000_000.5)
ROWS = [Row(f"/pöds/{number}", random.Random(number).randbytes(number * 7), number + 1, 1) for number in range(200)]


def encoded(found: list[Row] = ROWS, files: tuple[tuple[str, bytes], ...] = (("pki/ca.crt", b"pem"),)) -> bytes:
    encoder = Encoder(HEADER)
    parts = [encoder.begin(), *(encoder.file(*file) for file in files), *encoder.rows(found), encoder.end()]
    return b"".join(parts)


def test_what_goes_in_comes_out():
    content = encoded()
    summary = check(io.BytesIO(content))

    assert list(rows(io.BytesIO(content))) == ROWS
    assert (summary.header, summary.objects, summary.files) == (HEADER, 200, ("pki/ca.crt",))
    assert summary.size == len(content)


def test_the_digest_is_that_of_the_file():
    import hashlib

    content = encoded()

    assert check(io.BytesIO(content)).sha256 == hashlib.sha256(content).hexdigest()


def test_rows_larger_than_a_block_and_none_at_all():
    large = [Row("/large", bytes(3 * BLOCK), 1, 1), Row("/empty", b"", 2, 2)]

    assert list(rows(io.BytesIO(encoded(large)))) == large
    assert check(io.BytesIO(encoded([]))).objects == 0


def test_it_may_come_in_pieces_of_any_size():
    content, draw, decoder, found = encoded(), random.Random(2), Decoder(), []
    while content:
        size = draw.choice((1, 2, 17, 400, 5000))
        found += list(decoder.feed(content[:size]))
        content = content[size:]

    assert [block.kind for block in found] == [b"H", b"F", b"R", b"E"]
    assert decoder.finish().objects == 200


def test_every_flipped_bit_is_refused():
    content = encoded(ROWS[:20])
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotWhole) as raised:
            check(io.BytesIO(flipped))
        assert "\n" not in str(raised.value)


def test_every_lost_end_and_everything_behind_it_is_refused():
    content = encoded(ROWS[:20])
    for length in range(len(content)):
        with pytest.raises(NotWhole):
            check(io.BytesIO(content[:length]))
    for more in (b"\0", b"R", content):
        with pytest.raises(NotWhole):
            check(io.BytesIO(content + more))


def test_blocks_that_are_whole_but_not_all_there_are_refused():
    def parts(found: list[Row]) -> list[bytes]:
        encoder = Encoder(HEADER)
        return [encoder.begin(), b"".join(encoder.rows(found)), encoder.end()]

    begin, some, _ = parts(ROWS[:5])
    _, all_of_them, end = parts(ROWS)
    for wrong in (begin + some + end, begin + all_of_them + all_of_them + end, begin + end, some + end, begin + begin):
        with pytest.raises(NotWhole):
            check(io.BytesIO(wrong))


@pytest.mark.parametrize("content,words", [
    (b"PK\x03\x04 some archive", "not a backup of procorch"),
    (b"procorch backup 2\n later", "format 2"),
    (b"", "cut off after 0 bytes"),
])  # fmt: skip
def test_another_file_is_told_apart(content: bytes, words: str):
    with pytest.raises(NotWhole, match=words):
        check(io.BytesIO(content))


async def test_a_backup_under_load_is_one_moment(log: Log):
    """Pairs are written together all the while: a backup has both or neither, and all acknowledged before it."""
    acknowledged: dict[str, int] = {}

    async def write(writer: int) -> None:
        for number in range(60):
            name = f"{writer}-{number % 20}"
            value = b"%d" % number
            revisions = await log.append(Write(f"/left/{name}", value), Write(f"/right/{name}", value))
            acknowledged[f"/left/{name}"] = revisions[0]
            await log.note(Write(f"/beat/{writer}", value))

    async def save() -> tuple[dict[str, int], bytes]:
        known = dict(acknowledged)
        return known, b"".join([piece async for piece in (await log.backup()).stream()])

    load = asyncio.gather(*map(write, range(8)))
    saved = []
    while not load.done():
        saved.append(await save())
        await asyncio.sleep(0.01)
    await load
    saved.append(await save())
    for known, content in saved:
        summary = check(io.BytesIO(content))
        found = {row.key: row for row in rows(io.BytesIO(content))}
        lefts = {key[6:]: row.value for key, row in found.items() if key.startswith("/left/")}
        assert lefts == {key[7:]: row.value for key, row in found.items() if key.startswith("/right/")}
        assert all(found[key].revision >= revision for key, revision in known.items())
        assert max((row.revision for row in found.values()), default=0) <= summary.header.revision
        present = {row.key: row for row in found.values()}
        if summary.header.revision >= log.oldest:
            durable = await log.items("/left/", revision=summary.header.revision)
            assert durable == sorted(row for key, row in present.items() if key.startswith("/left/"))

    assert len(saved) > 2
    assert sorted(rows(io.BytesIO(saved[-1][1]))) == await log.items("/")
