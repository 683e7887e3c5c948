"""Manifests of a directory as static pods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from procorch.kubelet import static_pods
from procorch.kubelet.static_pods import ManifestProblem, StaticPods, is_static, static_pod
from procorch.objects import Object

NOW = 1_700_000_000.25
FILE = Path("/etc/manifests/web.yaml")


def manifest(name: str = "web", **spec: Any) -> Object:
    container = {"name": "a", "image": "host", "command": ["sleep", "9"], **spec.pop("container", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def made(pod: Object, node: str = "one") -> Object:
    return static_pod(json.dumps(pod).encode(), FILE, node, NOW)


def test_it_is_named_by_the_manifest_and_the_node() -> None:
    pod = made(manifest())

    metadata = pod["metadata"]
    uid = metadata["uid"]
    assert (metadata["name"], metadata["namespace"], pod["spec"]["nodeName"]) == ("web-one", "default", "one")
    assert metadata["annotations"] == {
        "kubernetes.io/config.hash": uid,
        "kubernetes.io/config.source": "file",
        "kubernetes.io/config.seen": "2023-11-14T22:13:20.250000Z",
    }
    assert pod["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30, "defaults are filled in"
    assert is_static(pod) and not is_static({"metadata": {"uid": "0b6a2d3e-6f6d-4f1c-9d7b-0d4f7b1f6a11"}})


def test_its_uid_says_what_it_is() -> None:
    uid = made(manifest())["metadata"]["uid"]

    assert made(manifest())["metadata"]["uid"] == uid
    assert static_pod(yaml.safe_dump(manifest()).encode(), FILE, "one", 5.0)["metadata"]["uid"] == uid
    assert made(manifest(), "two")["metadata"]["uid"] != uid
    assert made(manifest(hostNetwork=True))["metadata"]["uid"] != uid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("{", "neither YAML nor JSON", id="half written"),
        pytest.param("a: b", "kind Pod is wanted", id="something else"),
        pytest.param("--- 1\n--- 2", "neither YAML nor JSON", id="several documents"),
        pytest.param(json.dumps(manifest("")), "metadata: ", id="no name"),
        pytest.param(json.dumps(manifest("A_b")), "metadata: ", id="a bad name"),
        pytest.param(json.dumps(manifest(container={"command": "sleep"})), "command", id="a wrong type"),
        pytest.param(json.dumps(manifest(restartPolicy="Now")), "spec.restartPolicy: ", id="a bad value"),
        pytest.param(json.dumps(manifest(serviceAccountName="x")), "may not reference serviceaccounts", id="account"),
        pytest.param(
            json.dumps(manifest(volumes=[{"name": "v", "secret": {"secretName": "s"}}])), "secrets", id="secret"
        ),
        pytest.param(
            json.dumps(manifest(container={"envFrom": [{"configMapRef": {"name": "c"}}]})),
            "reference configmaps",
            id="variables of a config map",
        ),
        pytest.param(
            json.dumps(manifest(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}])),
            "reference configmaps",
            id="a projected config map",
        ),
    ],
)  # fmt: skip
def test_what_is_no_static_pod(text: str, why: str) -> None:
    with pytest.raises(ManifestProblem, match=why):
        static_pod(text.encode(), FILE, "one", NOW)


def test_a_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Hidden files are none; a spoilt file keeps its pod, one that is gone does not; two of a name are one."""
    for name in ("a.yaml", "b.json", ".c.yaml"):
        (tmp_path / name).write_text(json.dumps(manifest(name.strip(".")[0])))
    (tmp_path / "z.yaml").write_text(json.dumps(manifest("a")))
    reader = StaticPods(tmp_path, "one")

    first = reader.read(NOW)
    assert sorted(pod["metadata"]["name"] for pod in first.values()) == ["a-one", "b-one"]
    (told,) = (record.why for record in caplog.records)  # type: ignore[attr-defined]
    assert told == 'another file has a pod "a-one" in namespace default already'

    (tmp_path / "a.yaml").write_text("{")
    assert reader.read(NOW + 9) == first, "and they were seen when they were seen first"
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "z.yaml").unlink()
    (tmp_path / "b.json").write_text(json.dumps(manifest("b", hostNetwork=True)))
    left = reader.read(NOW)
    assert [pod["metadata"]["name"] for pod in left.values()] == ["b-one"]
    assert not set(left) & set(first)


def test_one_file(tmp_path: Path) -> None:
    reader = StaticPods(tmp_path / "pod.yaml", "one")
    assert reader.read(NOW) == {}
    (tmp_path / "pod.yaml").write_text(json.dumps(manifest()))

    assert len(reader.read(NOW)) == 1


async def test_a_directory_that_changes_is_told_of_at_once(tmp_path: Path) -> None:
    told: asyncio.Queue[list[str]] = asyncio.Queue()

    def tell(pods: Mapping[str, Object]) -> None:
        told.put_nowait([pod["metadata"]["name"] for pod in pods.values()])

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(StaticPods(tmp_path, "one").follow(asyncio.Event(), lambda: NOW, tell))
        assert await told.get() == []
        (tmp_path / "web.yaml").write_text(json.dumps(manifest()))

        assert await told.get() == ["web-one"]
        (tmp_path / "web.yaml").unlink()
        while await told.get():
            pass  # the end of the writing
        following.cancel()


async def test_who_cannot_read_the_directory_ends_no_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Mapping[str, Object]] = []
    look, manifests = asyncio.Event(), StaticPods(tmp_path, "one")
    monkeypatch.setattr(static_pods, "WRITTEN_SECONDS", 0.001)

    def failing() -> list[Path]:
        monkeypatch.undo()
        raise OSError("the disk is not there")

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        monkeypatch.setattr(manifests, "_files", failing)
        following = tasks.create_task(manifests.follow(look, lambda: NOW, told.append))
        while manifests._files == failing:
            await asyncio.sleep(0)
        assert told == []
        look.set()
        while not told:
            await asyncio.sleep(0.001)
        following.cancel()
