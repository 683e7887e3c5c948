import asyncio
from typing import Any

from store.errors import LogError, Unavailable
from store.upkeep import Upkeep
from store.writer import Done, Job


class Refusing:
    """The writer's place: every job fails until `healed`."""

    def __init__(self) -> None:
        self.healed = False
        self.numbers: list[dict[str, int]] = []
        self.jobs = 0

    def remember(self, **numbers: int) -> None:
        self.numbers.append(numbers)

    def scrub(self) -> bool:
        return True

    def submit(self, job: Job, done: Done) -> None:
        self.jobs += 1
        error: LogError | None = None if self.healed else Unavailable("the disk is away")
        result: Any = job(self) if self.healed else None  # type: ignore[arg-type]
        done(result, error)


def upkeep(writer: Refusing) -> Upkeep:
    return Upkeep(writer, asyncio.get_running_loop(), 10, 100)  # type: ignore[arg-type]


async def test_a_reservation_goes_along_when_half_of_it_is_used_up():
    made = upkeep(Refusing())
    made.note_bound(100)

    assert (made.bound(50), made.bound(51)) == (0, 151)


async def test_what_the_disk_refused_is_tried_again(monkeypatch):
    monkeypatch.setattr("store.upkeep.RETRY", 0.01)
    writer = Refusing()
    made = upkeep(writer)
    made.reserve_soon(10)
    made.settle(12)
    made.scrub()
    writer.healed = True
    async with asyncio.timeout(5):
        while made.reserved < 110 or writer.jobs < 6:
            await asyncio.sleep(0.005)

    assert writer.numbers == [{"reserved": 110}, {"reserved": 110}], "the second covers a commit up to 12"


async def test_a_closed_one_tries_nothing_again(monkeypatch):
    monkeypatch.setattr("store.upkeep.RETRY", 0.0)
    writer = Refusing()
    made = upkeep(writer)
    made.settle(12)
    made.close()
    await asyncio.sleep(0.02)

    assert writer.jobs <= 2
