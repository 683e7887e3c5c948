"""Which pods get the token of their ServiceAccount, and where it is mounted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kubelet.service_account import PATH, VOLUME, with_service_account
from procorch.objects import NotFound, Object


def pod(spec: dict[str, Any], *mounts: str) -> Object:
    container = {"name": "a", "volumeMounts": [{"name": "v", "mountPath": path} for path in mounts]}
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [container], **spec}}


def accounts(**automount: bool | None) -> Any:
    asked: list[str] = []

    async def find(kind: str, namespace: str, name: str) -> Object:
        asked.append(name)
        assert (kind, namespace) == ("ServiceAccount", "n")
        if name not in automount:
            raise NotFound.of("serviceaccounts", name)
        return {"metadata": {"name": name}, "automountServiceAccountToken": automount[name]}

    find.asked = asked  # type: ignore[attr-defined]
    return find


@pytest.mark.parametrize(
    ("given", "mounted"),
    [
        pytest.param(pod({}), True, id="every pod"),
        pytest.param(pod({"automountServiceAccountToken": False}), False, id="not where the pod says no"),
        pytest.param(pod({"serviceAccountName": "shy"}), False, id="not where the account says no"),
        pytest.param(
            pod({"serviceAccountName": "shy", "automountServiceAccountToken": True}), True, id="the pod's word first"
        ),
        pytest.param(pod({}, PATH), False, id="not over what the pod has mounted there"),
    ],
)
async def test_who_gets_a_token(given: Object, mounted: bool) -> None:
    before = copy.deepcopy(given)

    found = await with_service_account(given, accounts(default=None, shy=False))

    assert given == before, "the API's object is not changed"
    names = [volume["name"] for volume in found["spec"].get("volumes", [])]
    assert names == ([VOLUME] if mounted else [])
    paths = [(row["mountPath"], row.get("readOnly")) for row in found["spec"]["containers"][0]["volumeMounts"]]
    assert ((PATH, True) in paths) is mounted


async def test_of_several_containers_those_get_it_that_have_nothing_there() -> None:
    given = pod({}, PATH)
    given["spec"]["initContainers"] = [{"name": "i"}]

    found = await with_service_account(given, accounts(default=None))

    assert found["spec"]["containers"] == given["spec"]["containers"]
    assert found["spec"]["initContainers"][0]["volumeMounts"][0]["mountPath"] == PATH


async def test_an_account_that_is_not_there_is_said() -> None:
    with pytest.raises(NotFound, match='serviceaccounts "other" not found'):
        await with_service_account(pod({"serviceAccountName": "other"}), accounts(default=None))


async def test_the_account_is_not_asked_where_the_pod_has_said_it() -> None:
    find = accounts()

    await with_service_account(pod({"automountServiceAccountToken": True}), find)

    assert find.asked == []
