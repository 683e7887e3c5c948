"""Single values, right and wrong, in the words of Go's decoders."""

from __future__ import annotations

import pytest

from procorch.kinds.scalars import SCALARS, shape

RFC3339 = "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("string", ""), ("bool", False), ("int32", -(2**31)), ("int64", 2**63 - 1), ("uint32", 0), ("double", 1),
        ("double", 0.5), ("bytes", ""), ("bytes", "YWI="), ("time", "2026-01-02T03:04:05Z"),
        ("time", "2026-01-02T03:04:05.123+02:00"), ("microtime", "2026-01-02T03:04:05.000001Z"), ("quantity", "1.5Gi"),
        ("quantity", 2), ("intstr", "web"), ("intstr", 80), ("duration", "1h30m"), ("duration", "0"),
    ],
)  # fmt: skip
def test_a_right_value_is_right(form, value):
    assert SCALARS[form](value) is None


@pytest.mark.parametrize(
    ("form", "value", "message"),
    [
        ("string", 1, ""), ("string", True, ""), ("bool", 1, ""), ("int32", True, ""), ("int32", 2**31, ""),
        ("int64", 1.0, ""), ("int64", 2**63, ""), ("uint32", -1, ""), ("double", "1", ""), ("bytes", 1, ""),
        ("time", 5, ""),
        ("bytes", "a", "illegal base64 data at input byte 1"),
        ("bytes", "YWI_", "illegal base64 data at input byte 3"),
        ("time", "", f'parsing time "" as "{RFC3339}": cannot parse "" as "2006"'),
        ("time", "2026-1-02T03:04:05Z",
         f'parsing time "2026-1-02T03:04:05Z" as "{RFC3339}": cannot parse "1-02T03:04:05Z" as "01"'),
        ("time", "2026-13-02T03:04:05Z", 'parsing time "2026-13-02T03:04:05Z": month out of range'),
        ("time", "2026-02-30T03:04:05Z", 'parsing time "2026-02-30T03:04:05Z": day out of range'),
        ("time", "2026-01-02T03:04:05Zx", 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'),
        ("quantity", "1Q",
         "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("quantity", "1KK", "unable to parse quantity's suffix"),
        ("intstr", 1.5, "json: cannot unmarshal number 1.5 into Go value of type int32"),
        ("duration", "1 day", 'time: invalid duration "1 day"'),
        ("duration", 5, "json: cannot unmarshal number into Go value of type string"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_as_go_names_it(form, value, message):
    assert SCALARS[form](value) == message


@pytest.mark.parametrize(
    ("value", "go", "name"),
    [(True, "string", "bool"), (5, "string", "number"), (5.5, "int32", "number 5.5"), ("", "int32", "string"),
     ([], "string", "array"), ({}, "string", "object")],
)  # fmt: skip
def test_values_are_called_what_json_calls_them(value, go, name):
    assert shape(value, go) == name
