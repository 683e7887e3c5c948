"""Quantities are read exactly and written in the one way in which Kubernetes writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.quantity import (
    WRONG_FORM,
    WRONG_NUMBER,
    WRONG_SUFFIX,
    byte_count,
    canonical,
    canonical_resource,
    cpu_millis,
    format_bytes,
    format_cpu,
    parse,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("+3", "3"),
        ("-5m", "-5m"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1025Ki", "1025Ki"),
        ("1000", "1k"),
        ("1000000", "1M"),
        ("1500k", "1500k"),
        ("0Mi", "0"),
        ("1E", "1E"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e6", "12e6"),
        ("1e-3", "1e-3"),
        ("100n", "100n"),
        (1, "1"),
        (0.1, "100m"),
    ],
)
def test_a_quantity_has_one_canonical_form(text: str, shown: str) -> None:
    assert canonical(text) == shown


def test_a_binary_amount_below_1024_is_shown_in_decimal() -> None:
    assert canonical("0.5Ki") == "512"


def test_a_binary_amount_with_a_fraction_keeps_its_precision() -> None:
    assert canonical("1.0001Ki") == "1024102400u"


def test_what_is_smaller_than_a_billionth_is_rounded_up_to_one() -> None:
    assert canonical("0.1n") == "1n"


def test_what_is_larger_than_63_bits_is_the_largest_amount() -> None:
    assert canonical("9999999999999999999999") == "9223372036854775807"
    assert byte_count("1e400") == 2**63 - 1
    assert byte_count(10**5000) == 2**63 - 1


def test_resource_lists_are_rounded_up_to_thousandths() -> None:
    assert canonical_resource("100n") == "1m"
    assert canonical_resource("1.0005") == "1001m"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", WRONG_FORM),
        ("abc", WRONG_FORM),
        ("1 Gi", WRONG_FORM),
        ("1..2", WRONG_FORM),
        ("1Q", WRONG_FORM),
        ("١", WRONG_FORM),
        ("Mi", WRONG_NUMBER),
        (".", WRONG_NUMBER),
        ("1i", WRONG_SUFFIX),
        ("1e", WRONG_SUFFIX),
        ("1kK", WRONG_SUFFIX),
        ("1e99999999999999999999", WRONG_SUFFIX),
        ("1" * 100_000, WRONG_NUMBER),
        (float("nan"), WRONG_FORM),
        (True, WRONG_FORM),
        (None, WRONG_FORM),
        ([], WRONG_FORM),
    ],
)
def test_what_is_no_quantity_is_refused_in_kubernetes_words(text: object, message: str) -> None:
    with pytest.raises(ValueError) as error:
        canonical(text)  # type: ignore[arg-type]

    assert str(error.value) == message


def test_cores_and_bytes_are_rounded_up() -> None:
    assert cpu_millis("500m") == 500
    assert cpu_millis("0.0001") == 1
    assert byte_count("128Mi") == 134217728
    assert byte_count("1.5") == 2


def test_numbers_are_written_as_kubernetes_writes_them() -> None:
    assert format_cpu(500) == "500m"
    assert format_cpu(2000) == "2"
    assert format_bytes(134217728) == "128Mi"
    assert format_bytes(1500) == "1500"


_numbers = st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{0,9})?", fullmatch=True)
_suffixes = st.sampled_from(
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "e-3", "E6"]
)


@given(_numbers, _suffixes)
def test_the_canonical_form_is_canonical_and_means_the_same(number: str, suffix: str) -> None:
    text = number + suffix

    shown = canonical(text)

    assert canonical(shown) == shown
    assert parse(shown) == parse(text)


@given(_numbers, _suffixes)
def test_an_amount_is_exact_or_rounded_away_from_zero_by_less_than_a_billionth(number: str, suffix: str) -> None:
    powers = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
    powers |= {"e3": 3, "e-3": -3, "E6": 6}
    scale = Fraction(10) ** powers[suffix] if suffix in powers else Fraction(1024) ** ("KMGTPE".index(suffix[0]) + 1)
    exact = abs(Fraction(number) if not number.endswith(".") else Fraction(number[:-1])) * scale

    amount = abs(parse(number + suffix))

    if exact > 2**63 - 1:
        assert amount == 2**63 - 1
    else:
        assert 0 <= amount - exact < Fraction(1, 10**9)


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        canonical(text)
    except ValueError as error:
        assert str(error) in (WRONG_FORM, WRONG_NUMBER, WRONG_SUFFIX)


@given(st.integers(0, 10**9), st.integers(0, 2**62))
def test_written_numbers_are_read_back(millis: int, count: int) -> None:
    assert cpu_millis(format_cpu(millis)) == millis
    assert byte_count(format_bytes(count)) == count
