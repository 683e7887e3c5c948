import asyncio

from store import Event, Row, Write
from store.batch import Pending
from store.head import Head
from store.history import Everything
from store.news import Change, News


def head() -> Head:
    durable, beat = Row("/a", b"old", 3, 1), Row("/beat", b"1", 5, 2)
    return Head(Everything(5, 5_000, 100, 0, 0, [durable, beat], [beat]))


def pending(write: Write, durable: bool = True) -> Pending:
    return Pending((write,), asyncio.get_running_loop().create_future(), durable)


async def test_a_batch_that_landed_is_the_present():
    here = head()
    batch = here.batch(6.0)
    batch.admit(pending(Write("/a", b"new")))
    batch.admit(pending(Write("/beat", b"2"), durable=False))
    events = here.land(batch)

    assert [(event.revision, event.key) for event in events] == [(6, "/a"), (7, "/beat")]
    assert (here.revision, here.issued) == (7, 7)
    assert here.present.get("/a") == Row("/a", b"new", 6, 1)
    assert here.notes == {"/beat": Row("/beat", b"2", 7, 2)}


async def test_moments_never_decrease():
    here = head()
    batch = here.batch(1.0)
    batch.admit(pending(Write("/a", b"new")))

    assert batch.moment == 5_000
    here.land(batch)
    assert here.batch(4.0).moment == 5_000


async def test_a_change_ends_the_note_of_its_key():
    here = head()
    batch = here.batch(6.0)
    batch.admit(pending(Write("/beat", b"2")))

    assert here.overtaken(batch) == ["/beat"]
    here.land(batch)
    assert here.notes == {}


async def test_news_are_taken_once_and_tell_what_was_there_before():
    here = head()
    changes = [Change(5, "/beat", b"1", 2, 5_000, False), Change(6, "/a", None, 1, 7_000, True),
               Change(8, "/b", b"x", 8, 7_500, True)]  # fmt: skip

    assert here.take(News(8, 100, 0, 0, changes)) == [
        Event(6, "/a", None, Row("/a", b"old", 3, 1)),
        Event(8, "/b", b"x", None),
    ]
    assert here.take(News(8, 100, 0, 0, changes)) == []
    assert (here.revision, here.present.get("/a"), here.batch(1.0).moment) == (8, None, 7_500)


async def test_what_came_back_from_the_database_does_not_land_again():
    here = head()
    batch = here.batch(6.0)
    batch.admit(pending(Write("/a", b"new")))
    here.take(News(6, 100, 0, 0, [Change(6, "/a", b"new", 1, 6_000, True)]))

    assert here.land(batch) == []
    assert here.revision == 6
