"""Quantities: "500m", "128Mi", "1e3" to exact numbers, and back to the one way in which Kubernetes writes them.

    quantity = [sign] digits [ "." digits ] [ suffix ]
    suffix   = n u m k M G T P E  |  Ki Mi Gi Ti Pi Ei  |  e or E with a whole power of ten

Source: apimachinery pkg/api/resource, Quantity: its grammar, rounding and canonical form.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

WRONG_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX = "unable to parse quantity's suffix"
WRONG_NUMBER = "unable to parse numeric part of quantity"

_LARGEST = 2**63 - 1
_LONGEST = 400  # characters: a number of a million digits would keep the processor busy
_NANO = Fraction(1, 10**9)
_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_POWER = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount, and the family of suffixes in which it was written.

    family: "decimal" (m, k, M…), "binary" (Ki, Mi…) or "exponent" (e3).
    """

    amount: Fraction
    family: str = "decimal"

    def __str__(self) -> str:
        """The canonical form: no fraction, the largest suffix that allows it, no sign but minus."""
        family = self.family
        if family == "binary" and (abs(self.amount) < 1024 or self.amount.denominator != 1):
            family = "decimal"  # 0.5Ki is 512, 1.0001Ki is 1024102400u: precision before looks
        return _binary_text(int(self.amount)) if family == "binary" else _decimal_text(self.amount, family)


def _binary_text(amount: int) -> str:
    power = 0
    while amount and amount % 1024 == 0 and power < 60:
        amount //= 1024
        power += 10
    return f"{amount}{next((suffix for suffix, bits in _BINARY.items() if bits == power), '')}"


def _decimal_text(amount: Fraction, family: str) -> str:
    if not amount:
        return "0"
    power = -9
    mantissa = int(amount / _NANO)
    while mantissa % 1000 == 0 and power < 18:
        mantissa //= 1000
        power += 3
    if family == "exponent":
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[power]}"


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Quantity:
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        raise ValueError(WRONG_FORM)
    if len(text) > _LONGEST:
        raise ValueError(WRONG_NUMBER)
    sign, whole, part, suffix = match.groups()
    scale, family = _scale(suffix)
    if not whole and not part:
        raise ValueError(WRONG_NUMBER)
    amount = Fraction(int(whole + (part or "") or "0"), 10 ** len(part or "")) * scale
    amount = min(amount, Fraction(_LARGEST))
    if amount % _NANO:
        amount = math.ceil(amount / _NANO) * _NANO  # who asked for some gets some
    return Quantity(-amount if sign == "-" else amount, family)


def _scale(suffix: str) -> tuple[Fraction, str]:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix], "decimal"
    if suffix in _BINARY:
        return Fraction(2 ** _BINARY[suffix]), "binary"
    power = _POWER.fullmatch(suffix)
    if power is None:
        raise ValueError(WRONG_SUFFIX)
    digits = power.group(1)
    if len(digits) > 6:
        raise ValueError(WRONG_SUFFIX)  # 1e999999999 would be computed for hours
    # Beyond what can be represented the amount is the largest or the smallest anyway.
    return Fraction(10) ** max(-400, min(int(digits), 400)), "exponent"


def read(text: str | int | float) -> Quantity:
    """A quantity from JSON: text or a number. ValueError with Kubernetes' words for anything else."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(WRONG_FORM)
    if isinstance(text, str):
        return _parse_text(text)
    if isinstance(text, int) and text.bit_length() > 64:
        return _parse_text(f"{'-' if text < 0 else ''}{_LARGEST}")
    return _parse_text(repr(text))


def parse(text: str | int | float) -> Fraction:
    """The exact amount: parse("500m") == Fraction(1, 2). ValueError for bad text."""
    return read(text).amount


def canonical(text: str | int | float) -> str:
    """As Kubernetes writes it back: "1000m" → "1", "0.5" → "500m", "1024Mi" → "1Gi". ValueError for bad text."""
    return _canonical_text(text) if isinstance(text, str) else str(read(text))


@lru_cache(maxsize=4096)
def _canonical_text(text: str) -> str:
    return str(_parse_text(text))


def canonical_resource(text: str | int | float) -> str:
    """The same, rounded up to thousandths, as resource lists are kept."""
    return _resource_text(text) if isinstance(text, str) else _resource(read(text))


@lru_cache(maxsize=4096)
def _resource_text(text: str) -> str:
    return _resource(_parse_text(text))


def _resource(quantity: Quantity) -> str:
    if (quantity.amount * 1000).denominator != 1:
        quantity = Quantity(Fraction(_away_from_zero(quantity.amount * 1000), 1000), quantity.family)
    return str(quantity)


def _away_from_zero(amount: Fraction) -> int:
    return math.ceil(amount) if amount > 0 else math.floor(amount)


def cpu_millis(text: str | int | float) -> int:
    """Thousandths of a core, rounded up: cpu_millis("0.5") == 500."""
    return _away_from_zero(parse(text) * 1000)


def byte_count(text: str | int | float) -> int:
    """Whole bytes (or pieces: pods, hugepages), rounded up: byte_count("128Mi") == 134217728."""
    return _away_from_zero(parse(text))


def format_cpu(millis: int) -> str:
    """500 → "500m", 2000 → "2"."""
    return str(Quantity(Fraction(millis, 1000)))


def format_bytes(count: int) -> str:
    """134217728 → "128Mi", 1025 → "1025"; below 1024 in decimal as Kubernetes does: 1000 → "1k"."""
    return str(Quantity(Fraction(count), "binary"))
