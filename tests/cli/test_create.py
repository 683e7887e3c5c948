"""`procorch create -f`, `delete` and what files may hold, against a real API."""

from __future__ import annotations

import yaml

CONFIG_MAPS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: Bad_Name}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: better, namespace: other}
"""


def test_one_bad_document_does_not_stop_the_others_and_is_named(procorch):
    result = procorch.run("create", "-f", "-", stdin=CONFIG_MAPS)

    assert result.exit_code == 1
    assert result.stdout == "configmap/good created\nconfigmap/better created\n"
    assert 'Error from server (Invalid): standard input, document 2: ConfigMap "Bad_Name"' in result.stderr
    assert "better" in procorch("get", "cm", "-n", "other")


def test_folders_are_read_and_with_R_theirs_too(procorch, tmp_path):
    (tmp_path / "app/deep").mkdir(parents=True)
    (tmp_path / "app/a.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    (tmp_path / "app/deep/b.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}')
    (tmp_path / "app/notes.txt").write_text("not for us: {")

    assert procorch("create", "-f", str(tmp_path / "app"), "--dry-run") == "configmap/a created (server dry run)\n"
    assert procorch("create", "-f", str(tmp_path / "app"), "-R") == "configmap/a created\nconfigmap/b created\n"


def test_what_was_made_can_be_printed(procorch, pod):
    made = procorch("create", "-f", "-", "-o", "yaml", "--dry-run=server", stdin=yaml.safe_dump(pod("a")))

    assert yaml.safe_load(made)["spec"]["restartPolicy"] == "Always", "with the server's defaults"
    assert procorch("get", "pods", "-o", "name") == ""


def test_twice_is_an_error_and_a_field_that_is_none_too(procorch, pod):
    procorch("create", "-f", "-", stdin=yaml.safe_dump(pod("a")))

    assert "(AlreadyExists)" in procorch.run("create", "-f", "-", stdin=yaml.safe_dump(pod("a"))).stderr
    odd = pod("b") | {"sepc": {}}
    assert 'unknown field "sepc"' in procorch.run("create", "-f", "-", stdin=yaml.safe_dump(odd)).stderr
    assert procorch.run("create").exit_code == 2
