"""The committed pages tell what is served, all of it and nothing else."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from procorch.kinds import KINDS, schema

TOOL = Path(__file__).parents[2] / "tools/make_reference.py"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_what_the_tool_makes(reference):
    committed = {path.name: path.read_text() for path in reference.OUT.glob("*.md")}

    assert committed == reference.pages(), "run `make reference`"


def test_every_kind_and_field_is_there(reference):
    pages = reference.pages()
    for kind in KINDS:
        definition = schema.of_kind(kind)
        page = pages[reference._page_of(definition.name)]
        assert f"| [{kind.name}](" in pages["README.md"] and f"| {kind.plural} |" in pages["README.md"]
        section = page.split(f"\n## {kind.name}\n", 1)[1].split("\n## ", 1)[0]
        for field in definition.fields:
            assert f"| `{field}` |" in section, f"{kind.name}.{field}"


def test_no_link_leads_nowhere(reference):
    pages = reference.pages()
    anchors = {name: {line[3:].lower() for line in page.splitlines() if line.startswith("## ")}
               for name, page in pages.items()}  # fmt: skip
    for name, page in pages.items():
        for target in re.findall(r"\]\(([^)]*)\)", page):
            where, _, anchor = target.partition("#")
            assert not anchor or anchor in anchors[where or name], (name, target)
            assert not where or where in pages, (name, target)
