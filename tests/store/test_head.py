import asyncio

from store import Event, Row, Write
from store.batch import Pending
from store.check import Found
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


async def test_what_is_durable_of_a_key_is_known_also_below_a_note():
    here = head()
    batch = here.batch(6.0)
    for write in (Write("/a", b"new"), Write("/b", b"1"), Write("/b", None), Write("/c", b"1")):
        batch.admit(pending(write))
    batch.admit(pending(Write("/a", b"beat"), durable=False))
    batch.admit(pending(Write("/d", b"beat"), durable=False))
    here.land(batch)

    assert {key: list(here.durable(key)) for key in ("/a", "/b", "/c", "/d", "/beat")} == {
        "/a": [3, 6], "/b": [7, -8], "/c": [9], "/d": [], "/beat": []
    }  # fmt: skip
    assert [here.held("/a", revision) for revision in (2, 5, 6, 11)] == [0, 3, 6, 6]
    assert [here.held("/b", revision) for revision in (7, 8)] == [7, 0]
    assert (here.held("/c", 9), here.held("/d", 11)) == (Row("/c", b"1", 9, 9), 0)
    assert here.keys("/", "", 9) == ["/a", "/b", "/beat", "/c", "/d"]
    assert here.keys("/", "/a", 2) == ["/b", "/beat"]


async def test_a_batch_forgets_all_but_the_newest_durable_row_of_a_key():
    here = head()
    batch = here.batch(6.0)
    batch.admit(pending(Write("/a", b"1")))
    batch.admit(pending(Write("/a", b"2", forget=True)))
    batch.admit(pending(Write("/new", b"1", forget=True)))

    assert here.forgotten(batch) == [3, 6]
    here.land(batch)
    assert list(here.durable("/a")) == [7]


async def test_damage_is_recognised_by_its_revision():
    here = head()
    found = [Found("/q", 3, False, is_named=False), Found("/q", 2, False, is_named=False), Found("/a", 1, False)]

    assert here.recognised(found) == [found[0]._replace(key="/a", is_newest=True), *found[1:]]
