"""`procorch get` against a real API: tables, formats, choices, exit codes, and what a watch shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from cli.get import sort_key


def test_a_table_is_the_servers(procorch, pod):
    procorch.server.create(pod("a", app="x"), pod("b", app="y"))

    heading, *rows = procorch("get", "pods").splitlines()
    assert heading.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row.split()[:3] for row in rows] == [["a", "0/1", "Pending"], ["b", "0/1", "Pending"]]
    assert "NOMINATED NODE" in procorch("get", "pods", "-o", "wide")
    assert procorch("get", "pods", "--no-headers", "-l", "app=y").split()[0] == "b"
    assert procorch("get", "pods", "-A").split()[0] == "NAMESPACE"


def test_deployments_show_how_many_are_wanted_and_how_many_there_are(procorch, pod):
    """S117: desired, current, up to date, available."""
    spec = {"containers": pod("a")["spec"]["containers"]}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
    body = {"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    metadata = {"name": "web", "namespace": "default"}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": body}
    procorch.server.create(made)
    status = {"replicas": 4, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 1}
    procorch.server.do(procorch.server.client.update_status({**made, "status": status}))

    for words in (("deployments",), ("deploy", "web"), ("deploy", "--sort-by", ".metadata.name")):
        heading, row = procorch("get", *words).splitlines()
        assert heading.split() == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
        assert row.split()[:5] == ["web", "3", "4", "2", "1"]
    assert "CONTAINERS" in procorch("get", "deployments", "-o", "wide")


def test_labels_become_columns(procorch, pod):
    procorch.server.create(pod("a", app="x", tier="front"))

    assert procorch("get", "pods", "-L", "app,tier").splitlines()[1].split()[-2:] == ["x", "front"]
    assert procorch("get", "pods", "--show-labels").splitlines()[1].endswith("app=x,tier=front")


def test_every_format_holds_the_object(procorch, pod):
    procorch.server.create(pod("a"))

    assert json.loads(procorch("get", "pod", "a", "-o", "json"))["metadata"]["name"] == "a"
    assert yaml.safe_load(procorch("get", "pods", "-o", "yaml"))["items"][0]["metadata"]["name"] == "a"
    assert procorch("get", "pods", "-o", "name") == "pod/a\n"
    assert procorch("get", "pod/a", "-o", "jsonpath={.spec.containers[0].name}") == "main"
    shown = procorch("get", "pods", "-o", "custom-columns=N:.metadata.name,NODE:.spec.nodeName")
    assert [line.split() for line in shown.splitlines()] == [["N", "NODE"], ["a", "<none>"]]


def test_rows_come_in_the_order_asked_for(procorch, pod):
    procorch.server.create(pod("a", rank="2"), pod("b", rank="1"))

    assert procorch("get", "pods", "--sort-by", "{.metadata.labels.rank}", "-o", "name") == "pod/b\npod/a\n"
    assert procorch("get", "pods", "--sort-by", ".metadata.labels.rank").splitlines()[1].startswith("b")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param(["pod", "no"], 1, 'Error from server (NotFound): pods "no" not found\n', id="not there"),
        pytest.param(["pods"], 0, "No resources found in default namespace.\n", id="an empty list is no error"),
        pytest.param(["pod", "no", "--ignore-not-found"], 0, "", id="not there, and that is fine"),
        pytest.param(["pods", "-l", "=,="], 1, "Error from server (BadRequest)", id="a selector that is none"),
        pytest.param(["frobs"], 1, "see `procorch api-resources`", id="no such type"),
        pytest.param(["pods", "-o", "xml"], 2, 'unknown output "xml"', id="no such format"),
        pytest.param(["pods", "-o", "custom-columns=X"], 2, "is not TITLE:PATH", id="a column without a path"),
        pytest.param(["pods", "-o", "jsonpath-file=/no"], 1, "/no: No such file", id="a template that is not there"),
        pytest.param(["pods,svc", "-w"], 2, "one resource type", id="a watch of two types"),
        pytest.param(["pod", "x", "-A"], 2, "all namespaces", id="a name in all namespaces"),
        pytest.param(["pod", "x", "-w"], 1, "NotFound", id="a watch of what is not there"),
    ],
)
def test_exit_codes_can_be_trusted(procorch, words, code, text):
    result = procorch.run("get", *words)

    assert result.exit_code == code
    assert text in result.output


def test_what_is_there_is_shown_beside_what_is_missing(procorch, pod):
    procorch.server.create(pod("a"))
    result = procorch.run("get", "pod", "a", "no")

    assert result.exit_code == 1
    assert "\na " in result.stdout and "NotFound" in result.stderr


def test_a_watch_shows_each_change_once(procorch, pod):
    """What was there is shown first, and not again by the watch's own beginning."""
    procorch.server.create(pod("a"))
    argv = [Path(sys.executable).with_name("procorch"), "get", "pods", "-w", "-o", "name", "--kubeconfig"]
    process = subprocess.Popen([*argv, procorch.kubeconfig], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [process.stdout.readline()]
    procorch.server.create(pod("b"))
    seen.append(process.stdout.readline())
    process.send_signal(2)
    rest, _ = process.communicate(timeout=10)

    assert (seen, rest) == (["pod/a\n", "pod/b\n"], "")
    assert process.returncode == 130


def test_numbers_are_ordered_by_size_and_what_is_missing_comes_first():
    objects = [{"x": "1Gi"}, {"x": "20Mi"}, {"x": 3}, {}, {"x": "text"}]

    assert sorted(objects, key=lambda one: sort_key("{.x}", one)) == [objects[i] for i in (3, 2, 1, 0, 4)]
    with pytest.raises(click.ClickException, match="--sort-by"):
        sort_key("{.x[", {})
