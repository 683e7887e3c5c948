"""tests/SEED.md keeps its word: every row is there once, and every test that it names exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = [f"S{number:03}" for number in range(1, 174)] + [f"U{number:02}" for number in range(1, 11)]


def table() -> dict[str, str]:
    """Row → the cell that says where its test is or what it waits for; a row that stands twice is an error."""
    lines = (TESTS / "SEED.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if re.match(r"\| [SU]\d", line)]
    assert [cell[0] for cell in cells] == ROWS
    return {row: cell for row, _, cell in cells}


def test_every_row_has_a_test_or_says_what_it_waits_for() -> None:
    kinds = Counter(("`" in cell and "::" in cell, "waits for" in cell) for cell in table().values())
    assert not kinds[False, False]
    text = (TESTS / "SEED.md").read_text()
    told = [int(number) for number in re.findall(r"\*\*(\d+)\*\*", text)]
    assert told == [kinds[True, False], kinds[True, True], kinds[False, True]], "the counts above the table"


def test_every_named_test_exists() -> None:
    named = {name for cell in table().values() for name in re.findall(r"`([\w/]+\.py::\w+)`", cell)}
    missing = []
    for name in sorted(named):
        file, _, function = name.partition("::")
        path = TESTS / file
        if not path.exists() or f"def {function}(" not in path.read_text():
            missing.append(name)
    assert not missing
