"""CronJobs: what they decide, and how they do it on the real API."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import Controller, Runner, cronjob
from procorch.controllers.cronjob import SCHEDULED, job_of, look, name_of, plan, surplus
from procorch.informers import Informers
from procorch.objects import Object, annotations_of, condition_of, controller_of, get, uid_of

NOW = 1_800_000_000.0  # a full hour


def cron_job(*, created: float = NOW - 90, last: float | None = None, active: Any = (), **spec: Any) -> Object:
    """created, last: seconds since the epoch."""
    metadata = {"name": "c", "namespace": "d", "uid": "u", "creationTimestamp": timestamp(created)}
    status: Object = {"active": [row(name) for name in active]} if active else {}
    if last:
        status["lastScheduleTime"] = timestamp(last)
    wanted = {"schedule": "0 * * * *", "concurrencyPolicy": "Allow", "jobTemplate": {"spec": {}}, **spec}
    head = {"apiVersion": "batch/v1", "kind": "CronJob"}
    return {**head, "metadata": metadata, "spec": wanted, "status": status}


def row(name: str) -> Object:
    return {"kind": "Job", "apiVersion": "batch/v1", "namespace": "d", "name": name, "uid": name}


def job(name: str, ended: str = "", *, start: float = NOW, at: float = NOW) -> Object:
    status: Object = {"startTime": timestamp(start)}
    if ended:
        status["conditions"] = [{"type": ended, "status": "True"}]
    if ended == "Complete":
        status["completionTime"] = timestamp(at)
    return {"metadata": {"name": name, "namespace": "d", "uid": name}, "status": status}


def planned(there: Object, now: float = NOW + 1) -> Any:
    return plan(there, there["status"], now)


@pytest.mark.parametrize(
    ("there", "at", "reasons"),
    [
        pytest.param(cron_job(), NOW, [], id="it is time"),
        pytest.param(cron_job(created=NOW + 0.5), None, [], id="not yet"),
        pytest.param(cron_job(last=NOW), None, [], id="done already"),
        pytest.param(cron_job(active=["c-30000000"]), None, [], id="it runs already, and the time was not written"),
        pytest.param(cron_job(suspend=True), None, [], id="suspended"),
        pytest.param(cron_job(active=["x"]), NOW, [], id="another runs"),
        pytest.param(cron_job(active=["x"], concurrencyPolicy="Forbid"), None, ["JobAlreadyActive"], id="and may not"),
        pytest.param(cron_job(active=["x"], concurrencyPolicy="Replace"), NOW, [], id="and goes"),
        pytest.param(cron_job(created=NOW - 1e6), NOW, ["TooManyMissedTimes"], id="many were missed"),
        pytest.param(
            cron_job(created=NOW - 1e6, startingDeadlineSeconds=300), NOW, [], id="not so many with a deadline"
        ),
        pytest.param(cron_job(startingDeadlineSeconds=0), None, [], id="too late"),
        pytest.param(cron_job(timeZone="Moon/Tycho"), None, ["UnknownTimeZone"], id="no such zone"),
        pytest.param(cron_job(schedule="x"), None, ["UnparseableSchedule"], id="no such schedule"),
    ],
)
def test_when_a_job_is_made(there: Object, at: float | None, reasons: list[str]) -> None:
    wanted = planned(there)

    assert wanted.at == at
    assert [reason for _, reason, _ in wanted.told] == reasons
    replaced = at is not None and there["spec"]["concurrencyPolicy"] == "Replace"
    assert [one["name"] for one in wanted.replace] == (["x"] if replaced else [])


def test_its_jobs_are_called_after_the_time() -> None:
    made = job_of(cron_job(timeZone="Asia/Kolkata", jobTemplate={"metadata": {"labels": {"a": "b"}}, "spec": {}}), NOW)

    assert name_of(cron_job(), NOW) == made["metadata"]["name"] == f"c-{int(NOW) // 60}"
    assert made["metadata"]["annotations"] == {SCHEDULED: "2027-01-15T13:30:00+05:30"}
    assert made["metadata"]["labels"] == {"a": "b"}
    assert annotations_of(job_of(cron_job(), NOW))[SCHEDULED] == "2027-01-15T08:00:00Z"


def test_what_its_jobs_mean_for_its_status() -> None:
    there = cron_job(active=["runs", "done", "lost"])
    jobs = [job("runs"), job("done", "Complete", at=NOW - 5), job("old", "Complete", at=NOW - 50), job("odd")]
    seen = look(there, jobs)

    assert [one["name"] for one in seen.status["active"]] == ["runs", "lost"]
    assert [one["name"] for one in seen.missing] == ["lost"]
    assert seen.status["lastSuccessfulTime"] == timestamp(NOW - 5)
    assert [one[1:] for one in seen.told] == [
        ("SawCompletedJob", "Saw completed job: done, condition: Complete"),
        ("UnexpectedJob", "Saw a job that the controller did not create or forgot: odd"),
    ]
    assert len(there["status"]["active"]) == 3, "what was given is not changed"


def test_the_oldest_jobs_beyond_the_limits_go() -> None:
    there = cron_job(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    jobs = [job("b", "Complete", start=NOW), job("a", "Complete", start=NOW - 9), job("f", "Failed"), job("r")]

    assert [one["metadata"]["name"] for one in surplus(there, jobs)] == ["a", "f"]
    assert surplus(cron_job(), jobs) == []


# On the real API, with a clock that is put forward


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def manifest(policy: str = "Allow", **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "command": ["true"]}]}}
    whole = {
        "schedule": "* * * * *",
        "concurrencyPolicy": policy,
        "jobTemplate": {"spec": {"template": template}},
        **spec,
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "d"}, "spec": whole}


class World:
    """The controller is run once more for each minute: a restart, too."""

    def __init__(self, client: Client, eventually: Any) -> None:
        self.client, self.eventually, self.clock = client, eventually, Later()

    async def after(self, minutes: float, *controllers: Controller) -> Object:
        self.clock.ahead += 60 * minutes
        informers = Informers(self.client, self.client.transport.feed)  # type: ignore[attr-defined]
        runner = Runner((cronjob.CONTROLLER,), self.client, self.clock, informers=informers)
        async with informers.running(), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(runner.run())
            await asyncio.wait_for(runner.synced(), 10)

            async def is_idle() -> bool:
                await asyncio.sleep(0.05)
                return all(queue.is_idle for queue in runner.queues.values())

            await self.eventually(is_idle)
            task.cancel()
        return await self.client.get("CronJob", "d/c")

    async def jobs(self) -> list[Object]:
        return sorted((await self.client.items("Job", "d")).objects, key=lambda one: str(one["metadata"]["name"]))

    async def end(self, there: Object, type_: str) -> None:
        now = timestamp(time.time())
        before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[type_]
        rows = [
            {"type": one, "status": "True", "lastProbeTime": now, "lastTransitionTime": now} for one in (before, type_)
        ]
        status = {"startTime": now, "conditions": rows} | ({"completionTime": now} if type_ == "Complete" else {})
        await self.client.patch("Job", f"d/{there['metadata']['name']}", {"status": status}, subresource="status")


@pytest.fixture
def world(client: Client, eventually: Any) -> World:
    return World(client, eventually)


async def test_each_minute_a_job_and_the_last_of_them_stay(world: World, client: Client) -> None:
    made = await client.create(manifest(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=1))
    for number, end in enumerate(("Complete", "Complete", "Failed", "Failed")):
        there = await world.after(1)
        (active,) = get(there, ".status.active", [])
        assert there["status"]["lastScheduleTime"]
        newest = next(one for one in await world.jobs() if uid_of(one) == active["uid"])
        assert (controller_of(newest) or {})["uid"] == uid_of(made), number
        await world.end(newest, end)
    there = await world.after(0.1)

    assert there["status"]["lastSuccessfulTime"]
    ends = [bool(condition_of(one, "Complete")) for one in await world.jobs()]
    assert ends[:2] == [True, False] and len(ends) <= 3


@pytest.mark.parametrize(("policy", "jobs"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
async def test_when_another_still_runs(policy: str, jobs: int, world: World, client: Client) -> None:
    await client.create(manifest(policy))
    await world.after(1)
    (first,) = await world.jobs()
    there = await world.after(1)
    after = await world.jobs()

    assert len(after) == jobs == len(there["status"]["active"])
    assert (uid_of(first) in map(uid_of, after)) == (policy != "Replace")


async def test_who_died_between_the_job_and_the_status_finds_it_again(world: World, client: Client) -> None:
    await client.create(manifest())
    there = await world.after(1)
    await client.update_status({**there, "status": {}})
    again = await world.after(0)

    assert len(await world.jobs()) == 1
    assert [one["uid"] for one in again["status"]["active"]] == [uid_of(one) for one in await world.jobs()]


async def test_a_job_that_is_gone_is_not_active(world: World, client: Client) -> None:
    await client.create(manifest("Forbid"))
    await world.after(1)
    (first,) = await world.jobs()
    await client.delete("Job", f"d/{first['metadata']['name']}", propagation="Background")
    there = await world.after(1)

    assert len(there["status"]["active"]) == 1 != uid_of(first)
    assert there["status"]["active"][0]["uid"] != uid_of(first)
