"""A CronJob: defaults, schedules and zones, the Jobs it makes, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

CRON_JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly", "namespace": "default"},
    "spec": {
        "schedule": "0 4 * * *",
        "jobTemplate": {
            "spec": {
                "template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": "i:1"}]}}
            }
        },
    },
}
WITHIN = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
JOB = "spec.jobTemplate.spec"


def job(**fields: Any) -> Object:
    return {"spec": {**copy.deepcopy(CRON_JOB["spec"]["jobTemplate"]["spec"]), **fields}}


def test_the_defaults_are_those_of_batch_v1(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(CRON_JOB)

    assert problems == []
    spec = made["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert list(spec["jobTemplate"]["spec"]) == ["template"]  # the Job itself gets its defaults when it is made
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param({"schedule": "@every 90m"}, [], id="a word"),
        pytest.param({"timeZone": "Europe/Zurich"}, [], id="a zone"),
        pytest.param({"timeZone": "Etc/GMT+5"}, [], id="a zone by its distance"),
        pytest.param({"schedule": ""}, ["spec.schedule: Required value"], id="no schedule"),
        pytest.param(
            {"schedule": "61 * * * *"},
            ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
            id="a minute that there is not",
        ),
        pytest.param(
            {"schedule": "TZ=UTC 0 4 * * *"},
            [f'spec.schedule: Invalid value: "TZ=UTC 0 4 * * *": {WITHIN}'],
            id="a zone within the schedule",
        ),
        pytest.param(
            {"schedule": "CRON_TZ=Moon 0 4 * * *"},
            ['spec.schedule: Invalid value: "CRON_TZ=Moon 0 4 * * *": '
             "provided bad location Moon: unknown time zone Moon",
             f'spec.schedule: Invalid value: "CRON_TZ=Moon 0 4 * * *": {WITHIN}'],
            id="a zone that there is not within the schedule",
        ),
        pytest.param(
            {"timeZone": "Europe/Atlantis"},
            ['spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone Europe/Atlantis'],
            id="a zone that there is not",
        ),
        pytest.param(
            {"timeZone": "../../etc/passwd"},
            ['spec.timeZone: Invalid value: "../../etc/passwd": unknown time zone ../../etc/passwd'],
            id="a path that is no zone",
        ),
        pytest.param(
            {"timeZone": "Europe"}, ['spec.timeZone: Invalid value: "Europe": unknown time zone Europe'],
            id="a continent",
        ),
        pytest.param(
            {"timeZone": ""},
            ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
            id="an empty zone",
        ),
        pytest.param(
            {"timeZone": "local"},
            ['spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in '
             "https://www.iana.org/time-zones"],
            id="whatever the server's zone is",
        ),
        pytest.param(
            {"concurrencyPolicy": "Queue"},
            ['spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'],
            id="a policy that there is not",
        ),
        pytest.param(
            {"startingDeadlineSeconds": -1, "failedJobsHistoryLimit": -1},
            [f"spec.{field}: Invalid value: -1: must be greater than or equal to 0"
             for field in ("startingDeadlineSeconds", "failedJobsHistoryLimit")],
            id="numbers below nothing",
        ),
        pytest.param(
            {"jobTemplate": job(backoffLimit=-1)},
            [f"{JOB}.backoffLimit: Invalid value: -1: must be greater than or equal to 0"],
            id="what no Job may ask",
        ),
        pytest.param(
            {"jobTemplate": job(selector={"matchLabels": {"a": "b"}}, manualSelector=True)},
            [f'{JOB}.selector: Invalid value: {{"matchLabels":{{"a":"b"}}}}: `selector` will be auto-generated',
             f'{JOB}.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
            id="a selector for all its Jobs",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(CRON_JOB, **spec)[1] == problems


def test_its_jobs_need_room_for_the_time_in_their_names(enter) -> None:  # type: ignore[no-untyped-def]
    long = copy.deepcopy(CRON_JOB)
    long["metadata"]["name"] = name = "a" * 53
    made, problems = enter(long)

    assert problems == [f'metadata.name: Invalid value: "{name}": must be no more than 52 characters']
    assert enter(made, made, suspend=True)[1] == []


def test_a_zone_within_the_schedule_may_stay_where_it_was(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(CRON_JOB, schedule="TZ=UTC 0 4 * * *")

    assert enter(copy.deepcopy(old), old, schedule="TZ=UTC 0 5 * * *")[1] == []
    assert enter(copy.deepcopy(old), old, timeZone="UTC")[1] == [
        'spec.schedule: Invalid value: "TZ=UTC 0 4 * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'
    ]
    (text,) = KINDS["CronJob"].warn(old, old)
    assert text.startswith("cannot use TZ or CRON_TZ in spec.schedule, use timeZone instead, see https://")


def test_its_pods_are_warned_of_by_their_path(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(CRON_JOB)
    made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": ""}]

    assert list(KINDS["CronJob"].warn(made, None)) == [
        f'{JOB}.template.spec.imagePullSecrets[0].name: invalid empty name ""'
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(CRON_JOB)
    columns = KINDS["CronJob"].columns
    shown = {column.name: column.cell(made, 60.0) for column in columns}

    assert list(shown) == [
        "Name", "Schedule", "Timezone", "Suspend", "Active", "Last Schedule", "Age", "Containers", "Images", "Selector",
    ]  # fmt: skip
    assert list(shown.values()) == [
        "nightly", "0 4 * * *", "<none>", "False", 0, "<none>", "<unknown>", "c", "i:1", "<none>",
    ]  # fmt: skip
    made["spec"] |= {"timeZone": "UTC", "suspend": True}
    made["status"] = {"active": [{}], "lastScheduleTime": "1970-01-01T00:00:10Z"}
    assert [column.cell(made, 60.0) for column in columns[2:6]] == ["UTC", "True", 1, "50s"]
