"""`procorch logs`: what is asked for (what comes back through a node: tests/e2e)."""

from __future__ import annotations

import click
import pytest

from cli.logs import containers, seconds
from tests.cli.test_scale import RC


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("10s", 10), ("5m", 300), ("1h2m3s", 3723)])
def test_durations(text, number):
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "x", "5d", "-1s", "5m "])
def test_what_is_no_duration_is_said(text):
    with pytest.raises(click.UsageError, match="no duration"):
        seconds(text)


def test_init_containers_come_first():
    assert containers({"spec": {"containers": [{"name": "b"}], "initContainers": [{"name": "a"}]}}) == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param([], 2, "name a pod", id="nothing named"),
        pytest.param(["one", "-l", "a=b"], 2, "name a pod", id="a name and a selector"),
        pytest.param(["no"], 1, "(NotFound)", id="no such pod"),
        pytest.param(["rc/no"], 1, "(NotFound)", id="no such controller"),
        pytest.param(["rc/web"], 1, "rc/web has no pods", id="a controller without pods"),
        pytest.param(["one", "--since", "soon"], 2, "no duration", id="a time that is none"),
        pytest.param(["one", "-c", "no"], 1, "container no is not valid for pod one", id="no such container"),
    ],
)
def test_what_cannot_be_shown_is_said(procorch, pod, words, code, text):
    procorch.server.create(pod("one"), RC)
    result = procorch.run("logs", *words)

    assert result.exit_code == code
    assert text in result.stderr
