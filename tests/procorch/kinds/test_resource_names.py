"""Names of resources: what may be asked for by whom."""

from __future__ import annotations

import pytest

from procorch.kinds.resource_names import (
    is_counted,
    may_overcommit,
    validate_container_resource,
    validate_quota_resource,
    validate_resource_name,
)


@pytest.mark.parametrize("name", ["cpu", "memory", "hugepages-2Mi", "example.com/gpu", "requests.hugepages-2Mi"])
def test_a_name_that_somebody_knows_is_good_anywhere(name: str) -> None:
    assert list(validate_resource_name(name, "x")) == []


@pytest.mark.parametrize(
    ("check", "name", "message"),
    [
        (validate_resource_name, "gold", "must be a standard resource type or fully qualified"),
        (validate_container_resource, "pods", "must be a standard resource for containers"),
        (validate_container_resource, "requests.example.com/gpu", "doesn't follow extended resource name standard"),
        (validate_quota_resource, "storage", "must be a standard resource for quota"),
    ],
)
def test_a_name_that_nobody_knows_there_is_named(check, name: str, message: str) -> None:  # type: ignore[no-untyped-def]
    assert [cause.message for cause in check(name, "x")] == [f'Invalid value: "{name}": {message}']


def test_pieces_are_counted_and_devices_are_not_shared() -> None:
    assert is_counted("pods") and is_counted("example.com/gpu") and not is_counted("cpu")
    assert may_overcommit("cpu") and not may_overcommit("hugepages-2Mi") and not may_overcommit("example.com/gpu")
