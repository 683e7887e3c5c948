"""The last table served, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from network.proxy.memory import Memory
from network.proxy.table import UDP, Backend, ServicePort

TABLE = [
    ServicePort("10.96.0.1", 443, node_port=30443, backends=(Backend("10.0.0.1", 6443),), name="default/kubernetes"),
    ServicePort(None, 53, UDP, 30053, (), 60),
]


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "services.json")
    memory.write([])
    memory.write(TABLE)

    assert Memory(tmp_path / "services.json").read() == TABLE


def test_a_table_of_an_earlier_boot_counts_for_nothing(tmp_path: Path) -> None:
    Memory(tmp_path / "services.json", boot="yesterday").write(TABLE)

    assert Memory(tmp_path / "services.json").read() == []


@pytest.mark.parametrize("text", [None, "", "{", '{"boot": "b"}', '{"boot": "b", "rows": [[1]]}', "[]"])
def test_what_cannot_be_read_counts_for_nothing(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "services.json"
    if text is not None:
        path.write_text(text)

    assert Memory(path, boot="b").read() == []
