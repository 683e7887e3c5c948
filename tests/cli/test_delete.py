"""`procorch delete` against a real API."""

from __future__ import annotations

import yaml


def test_objects_go_by_name_by_label_and_by_file(procorch, pod):
    procorch.server.create(pod("a"), pod("b", app="x"), pod("c", app="x"), pod("d"))

    assert procorch("delete", "pod/a") == "pod/a deleted\n"
    assert procorch("delete", "pods", "-l", "app=x") == "pod/b deleted\npod/c deleted\n"
    assert procorch("delete", "-f", "-", "--force", stdin=yaml.safe_dump(pod("d"))) == "pod/d deleted by force\n"
    assert procorch("get", "pods", "-o", "name") == ""


def test_all_of_a_type_go_only_when_asked_for(procorch, pod):
    procorch.server.create(pod("a"))

    assert procorch.run("delete", "pods").exit_code == 2
    assert procorch("delete", "pods", "--all") == "pod/a deleted\n"
    assert "No resources found in default namespace." in procorch("delete", "pods", "--all")


def test_what_is_not_there_is_an_error_unless_it_may_be(procorch):
    result = procorch.run("delete", "pod", "no")

    assert (result.exit_code, result.stderr) == (1, 'Error from server (NotFound): pods "no" not found\n')
    assert procorch("delete", "pod", "no", "--ignore-not-found") == ""
    assert procorch.run("delete", "pod", "a", "-f", "x.yaml").exit_code == 2


def test_waiting_ends_at_its_time(procorch):
    """A finalizer holds the object: `--wait` says so instead of waiting for ever, `--no-wait` does not look."""
    metadata = {"name": "held", "finalizers": ["example.com/hold"]}
    procorch.server.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    assert procorch("delete", "cm", "held", "--no-wait") == "configmap/held deleted\n"
    waited = procorch.run("delete", "cm", "held", "--timeout", "0.1")
    assert waited.exit_code == 1 and "still there after 0.1 s" in waited.stderr
