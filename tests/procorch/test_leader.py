"""One candidate leads; another takes over when it goes, falls silent, or loses its lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.leader import DURATION, Election, Observed, decide, observe
from procorch.objects import Object
from procorch.transport import Answer, Unreachable
from store import Log

LEASE = "kube-system/procorch-master"


@pytest.mark.parametrize(
    ("observed", "step"),
    [
        pytest.param(None, "create", id="no lease"),
        pytest.param(Observed("me", "t", 0.0), "renew", id="my own, however old"),
        pytest.param(Observed("", "t", 100.0), "take", id="released"),
        pytest.param(Observed("other", "t", 100.0 - DURATION), "wait", id="another's, just within its time"),
        pytest.param(Observed("other", "t", 99.9 - DURATION), "take", id="another's, silent for too long"),
    ],
)
def test_decide(observed: Observed | None, step: str) -> None:
    assert decide(observed, "me", 100.0) == step


def test_a_lease_counts_from_when_it_was_first_seen_so_whatever_its_clock_says() -> None:
    lease: Object = {"spec": {"holderIdentity": "other", "renewTime": "2001-01-01T00:00:00.000000Z"}}
    first = observe(lease, None, 5.0)
    again = observe(lease, first, 9.0)
    lease["spec"]["renewTime"] = "2001-01-01T00:00:10.000000Z"
    renewed = observe(lease, again, 12.0)

    assert (first.at, again.at, renewed.at) == (5.0, 5.0, 12.0)


class Cut(LocalTransport):
    """A transport that can be cut, as the fault of a network."""

    is_cut = False

    async def _handle(self, *arguments: object) -> Answer:  # type: ignore[override]
        if self.is_cut:
            raise Unreachable("cut")
        return await super()._handle(*arguments)  # type: ignore[arg-type, return-value]


class Candidate:
    def __init__(self, api: Api, identity: str) -> None:
        self.transport = Cut(api, User("system:kube-controller-manager", ("system:masters",)))
        self.leads = asyncio.Event()
        self.terms = 0
        timer = asyncio.get_running_loop().time
        self.election = Election(Client(self.transport), time.time, identity, timer)

    async def work(self) -> None:
        self.terms += 1
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self.election.lead(self.work))
        yield
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.fixture
async def api(quick: None) -> AsyncIterator[Api]:
    log = await Log.open(":memory:")
    made = Api(log)
    await made.start()
    admin = Client(LocalTransport(made, User("admin", ("system:masters",))))
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
    yield made
    await made.close()
    await log.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procorch.leader.RETRY", 0.02)
    monkeypatch.setattr("procorch.leader.DURATION", 0.6)
    monkeypatch.setattr("procorch.leader.DEADLINE", 0.3)


async def test_of_three_one_leads_and_the_next_follows_at_once_when_it_goes(api: Api) -> None:
    candidates = [Candidate(api, name) for name in "abc"]
    async with asyncio.timeout(10):
        async with candidates[0].running():
            await candidates[0].leads.wait()
            async with candidates[1].running(), candidates[2].running():
                await asyncio.sleep(0.3)
                assert [one.leads.is_set() for one in candidates] == [True, False, False]
        async with candidates[1].running():
            await candidates[1].leads.wait()
    client = Client(LocalTransport(api, User("admin", ("system:masters",))))
    lease = await client.get("Lease", LEASE)

    assert lease["spec"]["leaseTransitions"] == 1
    assert "holderIdentity" not in lease["spec"], "given back"


async def test_who_cannot_renew_stops_before_another_begins(api: Api) -> None:
    one, two = Candidate(api, "one"), Candidate(api, "two")
    overlap = []
    async with asyncio.timeout(10), one.running(), two.running():
        await one.leads.wait()
        one.transport.is_cut = True
        while not two.leads.is_set():
            overlap.append(one.leads.is_set() and two.leads.is_set())
            await asyncio.sleep(0.005)
        assert not one.leads.is_set()
        one.transport.is_cut = False
        await asyncio.sleep(0.1)
        assert (one.leads.is_set(), two.leads.is_set()) == (False, True)

    assert not any(overlap)
    assert one.terms == 1


async def test_after_a_crash_the_same_identity_leads_again_without_waiting(api: Api, monkeypatch) -> None:
    monkeypatch.setattr("procorch.leader.DURATION", 60.0)
    first, again = Candidate(api, "same"), Candidate(api, "same")
    async with asyncio.timeout(10):
        async with first.running():
            await first.leads.wait()
            first.transport.is_cut = True  # so that nothing is given back
        async with again.running():
            await again.leads.wait()


async def test_work_that_fails_is_not_hidden(api: Api) -> None:
    candidate = Candidate(api, "one")

    async def broken() -> None:
        raise ValueError("a defect")

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(10):
            await candidate.election.lead(broken)
    assert isinstance(raised.value.exceptions[0], ValueError)
