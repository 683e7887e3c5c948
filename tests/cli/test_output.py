import click
import pytest

from cli.output import check_format, print_objects, print_table, table_rows

TABLE = {
    "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "Node", "priority": 1}],
    "rows": [{"cells": ["web", None, "n1"], "object": {"metadata": {"namespace": "prod"}}}],
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "text": "a\nb\n"}


def test_wide_columns_are_shown_when_asked_for() -> None:
    assert table_rows(TABLE, wide=False, namespaces=False) == (["NAME", "READY"], [["web", "<none>"]])
    assert table_rows(TABLE, wide=True, namespaces=True) == (
        ["NAMESPACE", "NAME", "READY", "NODE"], [["prod", "web", "<none>", "n1"]],
    )  # fmt: skip


def test_a_table_is_aligned_and_has_no_space_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["NAME", "STATUS"], [["a-long-name", "Running"], ["b", "X"]])

    assert capsys.readouterr().out == "NAME          STATUS\na-long-name   Running\nb             X\n"


def test_yaml_writes_several_lines_as_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    print_objects("yaml", [POD], as_list=False)

    assert "text: |\n  a\n  b\n" in capsys.readouterr().out


def test_a_name_is_type_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_objects("name", [POD], as_list=True)

    assert capsys.readouterr().out == "pod/web\n"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(click.UsageError, match="unknown output"):
        check_format("xml")
