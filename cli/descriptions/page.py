"""A page of names and values as lines of text: nested, aligned, with small tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Union

from procorch.clock import parse_timestamp

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table on a page, its headings underlined."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Text:
    """Lines as they are, below their name. note: stands beside the name."""

    rows: Sequence[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """A value beside its name, and what belongs to it below."""

    text: str
    below: Page


# Text beside the name; several texts below each other in that column (none: `<none>`); a page, table or text below;
# None for a row that is left out.
Value = Union[str, list[str], "Page", Grid, Text, Noted, None]
Page = Mapping[str, Value]


def lines(page: Page, indent: int = 0) -> Iterator[str]:
    """The page's lines; values stand in one column, two spaces behind the longest name that has one beside it."""
    margin = "  " * indent
    beside = [name for name, value in page.items() if _is_beside(value)]
    width = max((len(name) for name in beside), default=0) + 3
    for name, value in page.items():
        head = f"{margin}{name + ':':<{width}}"
        match value:
            case None:
                continue
            case str():
                yield f"{head}{value}".rstrip()
            case Noted():
                yield f"{head}{value.text}".rstrip()
                yield from lines(value.below, indent + 1)
            case list():
                first, *rest = value or [NONE]
                yield f"{head}{first}".rstrip()
                yield from (f"{margin}{' ' * width}{one}".rstrip() for one in rest)
            case Text():
                yield f"{margin}{name}:{'  ' + value.note if value.note else ''}"
                yield from (f"{margin}  {one}".rstrip() for one in value.rows)
            case Grid() if not value.rows:
                yield f"{head}{NONE}"
            case Grid():
                yield f"{margin}{name}:"
                yield from _grid(value, margin + "  ")
            case _:
                yield f"{margin}{name}:"
                yield from lines(value, indent + 1)


def _is_beside(value: Value) -> bool:
    return isinstance(value, str | list | Noted) or (isinstance(value, Grid) and not value.rows)


def _grid(grid: Grid, margin: str) -> Iterator[str]:
    table = [grid.headings, tuple("-" * len(one) for one in grid.headings), *grid.rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(grid.headings))]
    for row in table:
        yield margin + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def pairs(mapping: object, between: str = "=") -> list[str]:
    """`a=b` for each, sorted; long values cut, since a page is read by people."""
    if not isinstance(mapping, dict):
        return []
    rows = []
    for key, value in sorted(mapping.items()):
        text = " ".join(str(value).split())
        rows.append(f"{key}{between}{text if len(text) <= 140 else text[:137] + '...'}")
    return rows


def moment(timestamp: object) -> str:
    """`Mon, 23 Nov 2026 20:50:29 +0000` of a time of the API; `<unset>` for none."""
    try:
        return formatdate(parse_timestamp(str(timestamp))).replace("-0000", "+0000")
    except ValueError:
        return "<unset>"
