"""The committed field tables are what the tool makes of the installed packages, and make sense."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from procorch.kinds import schema

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def make_fields() -> ModuleType:
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("make_fields", TOOLS / "make_fields.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    return module


def test_making_the_table_again_changes_nothing(make_fields):
    assert make_fields.OUT.read_text().splitlines()[1:] == make_fields.table()


def test_no_prose_is_in_the_table(make_fields):
    assert "description" not in make_fields.OUT.read_text().replace('"description":{"type"', "")


def test_no_two_fields_of_a_message_share_a_number():
    for name in schema.names():
        numbers = [one.wire for one in schema.definition(name).fields.values() if one.wire]
        assert len(numbers) == len(set(numbers)), name


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["integer", "null"], "format": "int32"}, "int32"),
        ({"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}}, "{}string"),
        ({"type": "array", "items": {"$ref": "#/$defs/a.b.C"}}, "[]#a.b.C"),
        ({"$ref": "#/$defs/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}, "intstr"),
        ({"type": ["string", "null"], "format": "byte"}, "bytes"),
    ],
)
def test_the_package_s_rewriting_of_types_is_undone(make_fields, written, meant):
    assert make_fields.schema_type(written) == meant


def test_names_of_go_types_become_names_of_definitions(make_fields):
    assert make_fields.definition_name("k8s.io/api/core/v1.Pod") == "io.k8s.api.core.v1.Pod"
