"""The README keeps its word: each test that it names exists, and each test here is named or goes beyond."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [line for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| ") and ".py::" in line]


def test_every_named_test_exists() -> None:
    named = {name for row in ROWS for name in re.findall(r"`(test_\w+\.py)::(\w+)`", row)}
    assert len(named) > 40
    assert not [name for name in named if f"def {name[1]}(" not in (HERE / name[0]).read_text()]


def test_every_row_has_a_test_or_says_what_is_missing() -> None:
    text = (HERE / "README.md").read_text().partition("\n## ")[2]
    rows = [line[1:-1].split("|") for line in text.splitlines() if line.startswith("| ") and "here |" not in line]
    assert len(rows) > 80
    assert not [row for row in rows if len(row) != 3 or not ("::" in row[1] or row[2].strip())]
