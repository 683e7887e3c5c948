import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1", 'k: "1"\n'),
        ("true", 'k: "true"\n'),
        ("2026-01-01T00:00:00Z", 'k: "2026-01-01T00:00:00Z"\n'),
        ("a", "k: a\n"),
    ],
)
def test_text_in_yaml_stays_text(capsys, text, shown):
    print_objects("yaml", [{"k": text}], as_list=False)

    assert capsys.readouterr().out == shown


def test_columns_of_the_users_own(capsys):
    objects = [{"a": {"b": 1}, "c": [True, False]}, {"a": {}}]
    print_objects("custom-columns=X:.a.b,Y:{.c[*]}", objects, as_list=True)

    assert capsys.readouterr().out == "X        Y\n1        true,false\n<none>   <none>\n"


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        pytest.param("> /dev/full", 1, "Error: No space left on device\n", id="a full disk"),
        pytest.param(">&-", 0, "", id="closed"),
        pytest.param("| head -n 1 > /dev/null", 0, "", id="somebody who has read enough"),
    ],
)
def test_where_the_output_cannot_go_there_is_no_stack_trace(redirection, code, told):
    program = Path(sys.executable).parent / "procorch"
    argv = ["sh", "-c", f"{program} completion bash {redirection}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (code, "", told)
