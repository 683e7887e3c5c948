"""Go's type descriptions, read from the kubectl that the tests drive; the expected numbers are the published ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def load(name: str) -> ModuleType:
    """A module of tools/, which is no package."""
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    return module


wire_table = load("wire_table")


@pytest.fixture(scope="module")
def types():
    return wire_table.GoTypes.read(load("make_fields").kubectl())


@pytest.mark.parametrize(
    ("struct", "field", "number", "go", "omit"),
    [
        ("k8s.io/api/core/v1.PodSpec", "containers", 2, "[]v1.Container", ""),
        ("k8s.io/api/core/v1.PodSpec", "terminationGracePeriodSeconds", 4, "*int64", "empty"),
        ("k8s.io/api/core/v1.ServicePort", "targetPort", 4, "intstr.IntOrString", "empty"),
        ("k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta", "labels", 11, "map[string]string", "empty"),
        ("k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta", "creationTimestamp", 8, "v1.Time", "zero"),
    ],
)
def test_fields_have_their_published_numbers(types, struct, field, number, go, omit):
    found = {one.json: one for one in types.fields(types.structs()[struct])}[field]

    assert (found.number, types.name(found.type), found.omit) == (number, go, omit)


def test_an_embedded_struct_has_no_name_in_json(types):
    first = list(types.fields(types.structs()["k8s.io/api/core/v1.Volume"]))

    assert [(one.json, one.number) for one in first] == [("name", 1), ("", 2)]


def test_what_is_no_program_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="not a 64-bit"):
        wire_table.GoTypes.read(path)
