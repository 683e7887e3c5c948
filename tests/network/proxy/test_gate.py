"""Who is let in, who waits, and whose turn it is: clients that only count, on a real loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from network.proxy import gate as module
from network.proxy.choice import Balancer
from network.proxy.engine import Engine
from network.proxy.gate import Gate


class Client:
    """Begins while its Service has ports, and writes down what becomes of it."""

    def __init__(self, gate: Gate, balancer: Balancer, diary: list[str], name: str = "") -> None:
        self.gate, self.balancer, self.diary, self.name = gate, balancer, diary, name
        self.since = asyncio.get_running_loop().time()
        self.tries = 0

    def begin(self) -> bool:
        self.tries += 1
        if self.balancer.name == "no ports":
            return False
        self.diary.append(f"{self.name} begins")
        return True

    def abort(self) -> None:
        self.diary.append(f"{self.name} is reset")
        self.end()

    def end(self) -> None:
        self.gate.give(self.balancer, 2)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(asyncio.get_running_loop())
    yield made
    made.close()


@pytest.fixture
async def gate(engine: Engine) -> AsyncIterator[Gate]:
    made = Gate(engine, 100)
    yield made
    made.close()


def enter(gate: Gate, balancer: Balancer, count: int, diary: list[str], name: str = "") -> list[Client]:
    clients = [Client(gate, balancer, diary, f"{name or balancer.name}-{n}") for n in range(count)]
    for one in clients:
        gate.enter(one)
    return clients


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_one_service_alone_has_four_fifths_and_another_still_gets_in(gate: Gate) -> None:
    diary: list[str] = []
    busy, quiet = Balancer("busy"), Balancer("quiet")
    enter(gate, busy, 45, diary)
    begun = len(diary)
    enter(gate, quiet, 1, diary)

    assert 38 <= begun <= 41
    assert diary[-1] == "quiet-0 begins"


async def test_nobody_has_more_than_there_is(gate: Gate) -> None:
    diary: list[str] = []
    for n in range(40):
        enter(gate, Balancer(str(n)), 50, diary)

    assert gate.taken <= gate.limit
    assert sum(line.endswith("is reset") for line in diary) > 1900


async def test_those_who_wait_have_their_turn_in_order_one_of_each_service(gate: Gate) -> None:
    diary: list[str] = []
    one, two = Balancer("no ports"), Balancer("no ports")
    for balancer, name in ((one, "one"), (two, "two")):
        enter(gate, balancer, 3, diary, name)
    assert (gate.waiting, diary) == (6, [])
    one.name = two.name = "ports again"
    await until(lambda: gate.waiting == 0)

    assert diary == [f"{name}-{n} begins" for n in range(3) for name in ("one", "two")]


async def test_who_leaves_makes_room_at_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 60.0)
    diary: list[str] = []
    clients = enter(gate, Balancer("busy"), 45, diary)
    begun = len(diary)
    for client in clients[:3]:
        client.end()
    await until(lambda: len(diary) > begun)

    assert diary[begun] == f"busy-{begun} begins"


async def test_who_finds_no_port_is_tried_again_after_a_while_not_when_others_leave(gate: Gate) -> None:
    diary: list[str] = []
    lacking, other = Balancer("no ports"), Balancer("other")
    (client,) = enter(gate, lacking, 1, diary)
    (inside,) = enter(gate, other, 1, diary)
    assert client.tries == 1
    inside.end()
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.tries == 1
    await until(lambda: client.tries == 2)
    lacking.name = "ports again"
    await until(lambda: gate.waiting == 0)

    assert diary == ["other-0 begins", "no ports-0 begins"]


async def test_who_waited_too_long_is_reset(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    diary: list[str] = []
    enter(gate, Balancer("no ports"), 2, diary)
    await until(lambda: gate.waiting == 0)

    assert diary == ["no ports-0 is reset", "no ports-1 is reset"]
    assert gate.taken == 0


async def test_when_all_is_taken_the_gate_says_so_and_a_service_is_refused_more(gate: Gate) -> None:
    balancer = Balancer("udp")
    assert not gate.is_full
    while gate.take(balancer, 1):
        pass
    assert 79 <= balancer.open <= 81
    gate.limit = balancer.open + 1
    assert gate.is_full
    gate.give(balancer, 1)

    assert not gate.is_full


async def test_one_warning_in_ten_seconds_says_how_many_it_stands_for(
    gate: Gate, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            gate.tell("too much", service="one")
        monkeypatch.setattr(module, "_QUIET_SECONDS", 0.0)
        gate.tell("too much", service="one")

    assert [(record.message, record.before) for record in caplog.records] == [("too much", 0), ("too much", 4)]  # type: ignore[attr-defined]
