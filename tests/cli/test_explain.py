"""`procorch explain`: the field tables, without a cluster."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.explain import command


def _explain(*words: str) -> str:
    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_kind_and_a_field_of_it():
    assert "GROUP:      apps\nKIND:       ReplicaSet\nVERSION:    v1\n" in _explain("rs")
    shown = _explain("pod.spec.containers")
    assert "FIELD: containers <[]Container>" in shown
    assert "  image\t<string>\n" in shown
    assert "  name\t<string> -required-\n" in shown


def test_what_a_kind_and_its_fields_are_for():
    shown = " ".join(_explain("pod.spec.containers").split())

    assert "DESCRIPTION: The containers that run side by side." in shown
    assert "A program that runs in a pod" in shown
    assert "<string> -required- The container's name, unique in the pod." in shown


def test_a_field_without_fields_is_described():
    shown = _explain("pod.spec.nodeName")

    assert "FIELD: nodeName <string>\n\nDESCRIPTION:\n  The node that the pod runs on." in shown
    assert "FIELDS:" not in shown


def test_a_recursive_list_is_names_alone():
    assert "side by side" not in _explain("pod.spec", "--recursive")


def test_fields_of_fields():
    assert "    containerPort\t<integer> -required-\n" in _explain("pod.spec.containers", "--recursive")
    assert "containerPort" not in _explain("pod.spec.containers")


@pytest.mark.parametrize("path", ["pod.spec.nosuch", "frob", "pod.spec.nodeName.deeper"])
def test_what_is_no_field_is_one_line(path):
    result = CliRunner().invoke(command, [path])

    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1 and "procorch" in result.output
