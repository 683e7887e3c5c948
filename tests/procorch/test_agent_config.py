"""What an agent is told, and what it makes of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from procorch.agent_config import AgentConfig


def config(directory: Path) -> AgentConfig:
    return AgentConfig(("https://127.0.0.1:6443",), directory, "own", "127.0.0.1", labels={"disk": "ssd"}, max_pods=7)


def test_the_nodes_own_directory_is_hidden_from_its_pods(tmp_path: Path) -> None:
    runtime = config(tmp_path).runtime()

    assert str(tmp_path) in runtime._hidden


def test_what_the_node_says_of_itself_is_what_the_agent_was_told(tmp_path: Path) -> None:
    node = config(tmp_path).node()

    assert (node.name, node.address, node.max_pods, node.labels) == ("own", "127.0.0.1", 7, {"disk": "ssd"})


def test_a_range_is_remembered_for_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    config(tmp_path).remember_range("10.240.4.0/22")

    assert config(tmp_path).remembered_range() == "10.240.4.0/22"


@pytest.mark.parametrize("text", [None, "", "{", "{}"], ids=["no file", "an empty one", "half of one", "without it"])
def test_a_range_that_cannot_be_read_is_asked_for_again(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "agent").mkdir()
        (tmp_path / "agent" / "node.json").write_text(text)

    assert config(tmp_path).remembered_range() is None
