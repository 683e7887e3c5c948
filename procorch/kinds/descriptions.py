"""What kinds and fields are for, in a sentence each: what `explain` says.

Read from data/descriptions.txt (data/README.md tells the form) when somebody first asks: most masters are never asked.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "data/descriptions.txt"
_EVERY = "*"


def of_definition(name: str) -> str:
    """What a definition (`io.k8s.api.core.v1.Pod`) is; empty where nobody has said it."""
    return _table()[0].get(name, "")


def of_field(definition: str, field: str) -> str:
    """What a field of a definition means; empty where nobody has said it."""
    _, likes, fields = _table()
    while definition:
        if text := fields.get((definition, field)):
            return text
        definition = likes.get(definition, "" if definition == _EVERY else _EVERY)
    return ""


@cache
def _table() -> tuple[dict[str, str], dict[str, str], dict[tuple[str, str], str]]:
    """Definitions by name; whose fields' words hold for theirs, too; and fields."""
    definitions: dict[str, str] = {}
    likes: dict[str, str] = {}
    fields: dict[tuple[str, str], str] = {}
    within = ""
    for line in _FILE.read_text().splitlines()[1:]:
        first, text, *rest = line.split("\t")
        if first:
            within, definitions[first] = first, text
            if rest:
                likes[first] = rest[0]
        else:
            fields[within, text] = rest[0]
    return definitions, likes, fields
