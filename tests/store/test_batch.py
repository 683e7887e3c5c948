import asyncio

from store import Conflict, Row, Unavailable, Write
from store.batch import BYTES, WRITES, Batch, Pending
from store.news import Change, News

THERE = {"/a": Row("/a", b"old", 3, 1)}


def batch() -> Batch:
    return Batch(10, 5_000, THERE.get)


def pending(*writes: Write) -> Pending:
    return Pending(writes, asyncio.get_running_loop().create_future())


async def test_a_conflict_with_what_is_durable_is_answered_at_once():
    made, late = batch(), pending(Write("/a", b"new", 2))
    made.admit(late)

    assert isinstance(late.answer.exception(), Conflict)
    assert (made.rows, made.refused, made.last) == ([], [], 10)


async def test_a_conflict_with_the_batch_waits_for_the_batch():
    made, first, second = batch(), pending(Write("/a", b"1", 3)), pending(Write("/a", b"2", 3))
    made.admit(first)
    made.admit(second)
    waits = not second.answer.done()
    made.answer(Unavailable("locked"))

    assert waits
    assert isinstance(first.answer.exception(), Unavailable)
    assert isinstance(second.answer.exception(), Unavailable)


async def test_rows_events_and_what_keys_will_hold_agree():
    made = batch()
    made.admit(pending(Write("/a", b"1"), Write("/b", b"1"), Write("/b", None)))

    assert made.rows == [(11, "/a", b"1", 1, 5_000), (12, "/b", b"1", 12, 5_000), (13, "/b", None, 12, 5_000)]
    assert [event.previous for event in made.events] == [THERE["/a"], None, Row("/b", b"1", 12, 12)]
    assert made.staged == {"/a": Row("/a", b"1", 11, 1), "/b": None}


async def test_a_batch_is_full_by_writes_or_by_bytes():
    many, large = batch(), batch()
    many.admit(pending(*(Write("/x", b"") for _ in range(WRITES))))
    large.admit(pending(Write("/x", bytes(BYTES))))

    assert many.is_full and large.is_full and not batch().is_full


async def test_a_batch_is_known_by_the_last_change_of_each_of_its_keys():
    made = batch()
    made.admit(Pending((Write("/beat", b"1"),), asyncio.get_running_loop().create_future(), durable=False))
    made.admit(Pending((Write("/beat", b"2"),), asyncio.get_running_loop().create_future(), durable=False))
    made.admit(pending(Write("/a", None)))
    beat, gone = Change(12, "/beat", b"2", 11, 5_000, False), Change(13, "/a", None, 1, 5_000, True)

    assert made.is_in(News(13, 0, 0, 0, [beat, gone]))
    assert not made.is_in(News(12, 0, 0, 0, [beat])), "not all of it"
    assert not made.is_in(News(13, 0, 0, 0, [beat._replace(value=b"3"), gone])), "another's"
