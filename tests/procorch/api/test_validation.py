"""What is wrong with an object is told by field, each thing once."""

from __future__ import annotations

import copy

import pytest

from procorch.api.validation import check_finalizers, validate
from procorch.kinds import KINDS
from procorch.kinds.kind import Part
from procorch.objects import Cause, Invalid, Object

CONFIG_MAP = KINDS["ConfigMap"]


def config_map(**metadata: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d", **metadata}}


def test_what_is_right_passes() -> None:
    validate(CONFIG_MAP, config_map(), None)
    validate(CONFIG_MAP, config_map(labels={"a": "b"}), config_map())


def test_metadata_and_the_kinds_own_fields_are_told_together() -> None:
    with pytest.raises(Invalid) as refused:
        validate(CONFIG_MAP, config_map(labels={"-": "x"}) | {"data": {"no/key": "x"}}, None)

    assert {cause["field"] for cause in refused.value.details["causes"]} == {"metadata.labels", "data[no/key]"}


def test_a_part_has_rules_of_its_own() -> None:
    cause = Cause.forbidden("status", "not so")
    part = Part(validate=lambda obj, old: [cause])

    with pytest.raises(Invalid) as refused:
        validate(CONFIG_MAP, config_map() | {"data": {"no/key": "x"}}, config_map(), part)
    assert [told["field"] for told in refused.value.details["causes"]] == ["status"]


def test_an_object_that_is_being_deleted_gets_no_new_finalizers() -> None:
    old = config_map(finalizers=["a/b", "c/d"])
    less, more = copy.deepcopy(old), copy.deepcopy(old)
    less["metadata"]["finalizers"] = ["c/d"]
    more["metadata"]["finalizers"] = ["a/b", "c/d", "e/f"]

    check_finalizers(CONFIG_MAP, less, old)
    with pytest.raises(Invalid, match=r"found new finalizers \['e/f'\]"):
        check_finalizers(CONFIG_MAP, more, old)
