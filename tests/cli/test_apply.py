from typing import Any

import pytest

from cli.apply import merge
from procorch.kinds import KINDS, schema

POD = schema.of_kind(KINDS["Pod"])


def _pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("live", "last", "wanted", "result"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, {"a": 3}, {"a": 3, "b": 2}, id="what others set stays"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1}, id="what left the file leaves"),
        pytest.param({"l": [1, 2]}, {"l": [1]}, {"l": [3]}, {"l": [3]}, id="a plain list is replaced"),
        pytest.param(
            _pod({"name": "a", "image": "x", "imagePullPolicy": "Always"}),
            _pod({"name": "a", "image": "x"}),
            _pod({"name": "a", "image": "y"}),
            _pod({"name": "a", "image": "y", "imagePullPolicy": "Always"}),
            id="containers are matched by name and keep their defaults",
        ),
        pytest.param(
            _pod({"name": "a"}, {"name": "side"}, {"name": "old"}),
            _pod({"name": "a"}, {"name": "old"}),
            _pod({"name": "a"}, {"name": "new"}),
            _pod({"name": "a"}, {"name": "new"}, {"name": "side"}),
            id="a row that left the file goes, a row of others stays",
        ),
    ],
)
def test_a_merge_of_three(live: Any, last: Any, wanted: Any, result: Any) -> None:
    before = repr((live, last, wanted))

    assert merge(live, last, wanted, POD) == result
    assert repr((live, last, wanted)) == before, "the arguments are not changed"


CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: '%s'}}"


def test_applied_again_nothing_changes_and_what_left_the_file_leaves(procorch: Any) -> None:
    assert (
        procorch(
            "apply",
            "-f",
            "-",
            stdin=CONFIG_MAP % "1",
        )
        == "configmap/a created\n"
    )
    assert procorch("apply", "-f", "-", stdin=CONFIG_MAP % "1") == "configmap/a unchanged\n"
    assert procorch("apply", "-f", "-", "--dry-run", stdin=CONFIG_MAP % "2") == (
        "configmap/a configured (server dry run)\n"
    )
    procorch("label", "cm", "a", "by=others")
    assert procorch("apply", "-f", "-", stdin=CONFIG_MAP.replace("k:", "l:") % "2") == "configmap/a configured\n"
    assert procorch("get", "cm", "a", "-o", "jsonpath={.data} {.metadata.labels}") == '{"l":"2"} {"by":"others"}'


def test_the_record_of_what_was_applied_is_kubectls_text_to_the_byte(procorch: Any) -> None:
    """Sorted, compact, with empty annotations and Go's escapes: else the two programs would undo each other's work."""
    procorch("apply", "-f", "-", stdin=CONFIG_MAP % "<&>")
    path = r"jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}"

    assert procorch("get", "cm", "a", "-o", path) == (
        r'{"apiVersion":"v1","data":{"k":"\u003c\u0026\u003e"},"kind":"ConfigMap",'
        r'"metadata":{"annotations":{},"name":"a","namespace":"default"}}' + "\n"
    )


def test_one_bad_document_does_not_stop_the_others(procorch: Any) -> None:
    good = CONFIG_MAP % "1"
    files = "\n---\n".join([good, good.replace(", data", ", date"), good.replace("a}", "b}")])
    result = procorch.run("apply", "-f", "-", stdin=files)

    assert result.exit_code == 1
    assert result.stdout == "configmap/a created\nconfigmap/b created\n"
    assert "standard input, document 2" in result.stderr and 'unknown field "date"' in result.stderr


def test_on_the_server_others_fields_are_a_conflict_and_can_be_taken_over(procorch: Any) -> None:
    flags = ("apply", "--server-side", "-f", "-")
    assert procorch(*flags, "--field-manager=first", stdin=CONFIG_MAP % "1") == "configmap/a serverside-applied\n"
    refused = procorch.run(*flags, stdin=CONFIG_MAP % "2")
    forced = procorch(*flags, "--force-conflicts", stdin=CONFIG_MAP % "2")

    assert refused.exit_code == 1 and 'Apply failed with 1 conflict: conflict with "first": .data.k' in refused.stderr
    assert "apply with --force-conflicts" in refused.stderr
    assert forced == "configmap/a serverside-applied\n"
    assert "managedFields" not in procorch("get", "cm", "a", "-o", "yaml")
    assert "manager: procorch-apply" in procorch("get", "cm", "a", "-o", "yaml", "--show-managed-fields")


def test_force_without_the_server_is_refused(procorch: Any) -> None:
    refused = procorch.run("apply", "--force-conflicts", "-f", "-", stdin=CONFIG_MAP % "1")

    assert refused.exit_code == 2 and "only works with --server-side" in refused.stderr
