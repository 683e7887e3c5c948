"""Times and sizes as Kubernetes' users write them: 90s, 1h30m, 7d; 512Mi, 1Gi, 1e9."""

from __future__ import annotations

import re

import click

from procorch.quantity import parse

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "ms": 0.001}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)


def seconds(text: str) -> float:
    """Of `90s`, `1h30m`, `7d`, or `0`. Raises ValueError."""
    if text == "0":
        return 0.0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time: write 90s, 30m, 1h30m or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The callback of an option that is a time: seconds. Raises BadParameter."""
    try:
        return None if value is None else seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The callback of an option that is a size: bytes. Raises BadParameter."""
    try:
        found = None if value is None else int(parse(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no size: write 512Mi or 1Gi") from None
    if found is not None and found < 0:
        raise click.BadParameter("a size is not below 0")
    return found
