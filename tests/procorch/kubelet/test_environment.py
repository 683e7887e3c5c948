"""Environments, expansion and command lines."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.environment import ConfigProblem, Facts, command_line, environment, expand, field_value
from procorch.objects import NotFound

OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    ("ConfigMap", "c"): {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v", "a=b": "left out"}},
    ("Secret", "s"): {
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"p": base64.b64encode(b"secret").decode()},
    },
}
FACTS = Facts(("10.240.0.2",), ("10.0.0.1",), {"cpu": "2", "memory": "4Gi"})
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": '1"'}, "annotations": {"x": "y"}},
    "spec": {"nodeName": "one", "containers": [{"name": "c", "resources": {"limits": {"memory": "64Mi"}}}]},
}


async def find(kind: str, namespace: str, name: str) -> dict[str, Any]:
    if (kind, name) not in OBJECTS:
        raise NotFound.of(kind.lower() + "s", name)
    return OBJECTS[kind, name]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("$(A)-$(A)", "1-1", id="known, twice"),
        pytest.param("$(B)", "$(B)", id="unknown stays"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$A ${A}", "$A ${A}", id="the shell's own"),
        pytest.param("$$$(A)", "$1", id="an escaped dollar, then a reference"),
        pytest.param("$(A", "$(A", id="not closed"),
    ],
)
def test_expand(text: str, result: str) -> None:
    assert expand(text, {"A": "1"}) == result


@pytest.mark.parametrize(
    ("container", "result"),
    [
        pytest.param({}, ["/e", "$(A)"], id="the image's own, untouched"),
        pytest.param({"args": ["$(A)"]}, ["/e", "1"], id="args replace the image's"),
        pytest.param({"command": ["/c", "$(A)"]}, ["/c", "1"], id="command drops the image's args"),
        pytest.param({"command": ["/c"], "args": ["x"]}, ["/c", "x"], id="both"),
    ],
)
def test_command_line(container: dict[str, Any], result: list[str]) -> None:
    assert command_line(container, ("/e",), ("$(A)",), {"A": "1"}) == result


def reference(kind: str, **row: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {kind: row}}


@pytest.mark.parametrize(
    ("row", "value"),
    [
        pytest.param({"name": "X", "value": "$(S)/$(I)"}, "svc/img", id="services and the image's are known"),
        pytest.param(reference("configMapKeyRef", name="c", key="k"), "v", id="config map"),
        pytest.param(reference("secretKeyRef", name="s", key="p"), "secret", id="secret"),
        pytest.param(reference("configMapKeyRef", name="no", key="k", optional=True), None, id="optional, no object"),
        pytest.param(reference("configMapKeyRef", name="c", key="no", optional=True), None, id="optional, no key"),
        pytest.param(reference("fieldRef", fieldPath="metadata.name"), "p", id="name"),
        pytest.param(reference("fieldRef", fieldPath="metadata.labels['b']"), "2", id="a label"),
        pytest.param(reference("fieldRef", fieldPath="status.podIP"), "10.240.0.2", id="pod address"),
        pytest.param(reference("fieldRef", fieldPath="status.hostIP"), "10.0.0.1", id="node address"),
        pytest.param(reference("fieldRef", fieldPath="spec.nodeName"), "one", id="node"),
        pytest.param(reference("resourceFieldRef", resource="limits.memory", divisor="1Mi"), "64", id="memory limit"),
        pytest.param(reference("resourceFieldRef", resource="limits.cpu"), "2", id="no limit: the node's"),
        pytest.param(reference("resourceFieldRef", resource="requests.cpu"), "0", id="no request"),
    ],
)
async def test_a_variable(row: dict[str, Any], value: str | None) -> None:
    container = POD["spec"]["containers"][0] | {"env": [row]}

    env = await environment(POD, container, find, FACTS, {"S": "svc"}, [{"name": "I", "value": "img"}])

    assert env.get("X") == value


async def test_later_wins_and_keys_that_are_no_names_are_left_out() -> None:
    sources = [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]
    container = {"name": "c", "envFrom": sources, "env": [{"name": "p", "value": "mine"}]}

    env = await environment(POD, container, find, FACTS, {"p": "service"}, [{"name": "p", "value": "image"}])

    assert env == {"P_k": "v", "p": "mine"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(reference("configMapKeyRef", name="no", key="k"), 'configmap "no" not found', id="no object"),
        pytest.param(reference("secretKeyRef", name="s", key="no"), "couldn't find key no in Secret n/s", id="no key"),
        pytest.param(reference("fieldRef", fieldPath="spec.x"), "unsupported fieldPath: spec.x", id="no such field"),
    ],
)
async def test_what_is_missing_is_told_in_kubernetes_words(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        await environment(POD, {"name": "c", "env": [row]}, find, FACTS, {})

    assert str(caught.value) == message


def test_all_labels_are_quoted_lines() -> None:
    assert field_value(POD, "metadata.labels", FACTS) == 'a="1\\""\nb="2"'


async def test_variables_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A='1'\n")

    def row(**reference: Any) -> dict[str, Any]:
        file = {"volumeName": "v", "path": "env", "key": "A", **reference}
        return {"name": "c", "env": [{"name": "X", "valueFrom": {"fileKeyRef": file}}]}

    facts = Facts(volumes={"v": tmp_path})

    async def made(container: dict[str, Any]) -> dict[str, str]:
        return await environment(POD, container, find, facts, {})

    assert await made(row()) == {"X": "1"}
    assert await made(row(key="B", optional=True)) == await made(row(path="none", optional=True)) == {}
    for container, why in (
        (row(key="B"), 'key "B" not found in file "env"'),
        (row(path="none"), 'file "none" of volume v does not exist'),
        (row(volumeName="w"), 'cannot find the volume "w"'),
        (row(path="../env"), 'file "../env" of volume v: '),
    ):
        with pytest.raises(ConfigProblem, match=why):
            await made(container)
