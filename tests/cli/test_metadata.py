"""`procorch label` and `annotate` against a real API."""

from __future__ import annotations

import click
import pytest

from cli.metadata import split_changes


def test_words_are_set_kept_replaced_and_removed(procorch, pod):
    procorch.server.create(pod("a", app="x"))

    assert procorch("label", "pod", "a", "tier=front") == "pod/a labeled\n"
    assert procorch("label", "pod", "a", "tier=front") == "pod/a not labeled\n"
    refused = procorch.run("label", "pod", "a", "tier=back")
    assert refused.exit_code == 1 and "use --overwrite" in refused.stderr
    assert procorch("label", "pod", "a", "tier=back", "--overwrite") == "pod/a labeled\n"
    assert procorch("label", "pods", "-l", "app=x", "app-") == "pod/a labeled\n"
    assert procorch("get", "pod", "a", "-o", "jsonpath={.metadata.labels}") == '{"tier":"back"}'
    assert procorch("annotate", "pods", "--all", "note=since May") == "pod/a annotated\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param(["pod", "no", "a=b"], 1, "(NotFound)", id="not there"),
        pytest.param(["pod", "one", "bad key=b"], 1, "(Invalid)", id="a key that is none"),
        pytest.param(["pod", "one"], 2, "say what to change", id="nothing to change"),
        pytest.param(["pods", "a=b"], 2, "--selector or --all", id="no object named"),
    ],
)
def test_what_cannot_be_is_said(procorch, pod, words, code, text):
    procorch.server.create(pod("one"))
    result = procorch.run("label", *words)

    assert result.exit_code == code
    assert text in result.stderr


def test_resources_and_changes_are_told_apart():
    assert split_changes(("rc/web", "a=b=c", "d-")) == (["rc/web"], {"a": "b=c", "d": None})
    with pytest.raises(click.UsageError):
        split_changes(("rc/web",))
