"""Durations as Go writes them: `1m3.5s`, `300ms`, `0s`.

Source: time.Duration.String and time.ParseDuration.
"""

from __future__ import annotations

import re


def duration_text(nanos: int) -> str:
    """300_000_000 → `300ms`."""
    sign, rest = ("-" if nanos < 0 else ""), abs(nanos)
    if rest < 10**9:
        unit, size = ("ns", 1) if rest < 1000 else ("µs", 1000) if rest < 10**6 else ("ms", 10**6)
        return "0s" if not rest else f"{sign}{_decimal(rest, size)}{unit}"
    hours, rest = divmod(rest, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    text = f"{_decimal(rest, 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    return f"{whole}.{str(part).zfill(len(str(unit)) - 1)}".rstrip("0").rstrip(".") if part else str(whole)


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def duration_nanos(text: str) -> int:
    """`1m3.5s` → 63_500_000_000; what is no duration counts as nothing."""
    total = 0
    for whole, part, unit in re.findall(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", text):
        total += int(whole or 0) * _UNITS[unit] + int(part or 0) * _UNITS[unit] // 10 ** len(part)
    return -total if text.startswith("-") else total


_PIECE = re.compile(r"([0-9]*)(\.?)([0-9]*)([^0-9.]*)")


def misread_duration(text: str) -> str | None:
    """What Go's parser says of a text that is no duration; None where it reads it."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return None
    invalid, whole = f"time: invalid duration {_quoted(text)}", rest
    while rest:
        match = _PIECE.match(rest)
        assert match is not None  # every part of it may be empty
        digits, _, fraction, unit = match.groups()
        if not digits and not fraction:
            return invalid
        if not unit:
            return f"time: missing unit in duration {_quoted(text)}"
        if unit not in _UNITS:
            return f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}"
        rest = rest[match.end() :]
    return invalid if not whole or abs(duration_nanos(text)) >= 1 << 63 else None


def _quoted(text: str) -> str:
    """As Go's package time quotes in its complaints: bytes that are not plain ASCII as \\x."""
    shown = (
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
        for byte in text.encode("utf-8", "surrogatepass")
    )
    return f'"{"".join(shown)}"'
