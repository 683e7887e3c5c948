"""Makes docs/api: every kind, verb, subresource, column, field selector and field that is served.

    make reference

Read from the tables that the API itself reads (procorch.kinds, subresources, the field tables), so it cannot say what
is not so; tests/tools/test_make_reference.py holds the committed pages to what this makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from procorch.api import reviews, subresources
from procorch.kinds import KINDS, descriptions, schema
from procorch.kinds.kind import Kind
from procorch.kinds.schema import Definition, Field, Type

OUT = Path(__file__).resolve().parent.parent / "docs/api"
_MADE = "<!-- made by tools/make_reference.py: `make reference` -->\n"
_FORMS = {
    "bool": "boolean", "int32": "integer, 32 bits", "int64": "integer, 64 bits",
    "uint32": "integer, 32 bits unsigned", "double": "number", "bytes": "base64", "microtime": "time with microseconds",
    "raw": "any object", "intstr": "integer or string", "any": "anything",
}  # fmt: skip


def pages() -> dict[str, str]:
    """Every page's text by its file name."""
    names = _reached(_roots())
    by_page: dict[str, list[str]] = {}
    for name in names:
        by_page.setdefault(_page_of(name), []).append(name)
    made = {page: _definitions(page, members) for page, members in sorted(by_page.items())}
    return {"README.md": _index(made), **made}


def _roots() -> Iterator[str]:
    for kind in _kinds():
        yield schema.of_kind(kind).name


def _kinds() -> list[Kind]:
    below = [one.kind for one in subresources.TABLE.values() if one.kind is not None]
    return [*KINDS, *reviews.KINDS, *below]


def _reached(roots: Iterable[str]) -> list[str]:
    """The definitions that these lead to, sorted by their short names."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [target for one in schema.definition(name).fields.values() if (target := _struct(one.type))]
    return sorted(found, key=lambda name: (_short(name), name))


def _struct(type_: Type) -> str:
    while type_.of is not None:
        type_ = type_.of
    return type_.name if type_.form == "struct" else ""


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _page_of(name: str) -> str:
    """`io.k8s.api.core.v1.Pod` stands in core-v1.md."""
    *_, package, version, _ = name.split(".")
    return f"{package}-{version}.md"


# --- the index -------------------------------------------------------------------------------------------------------


def _index(definitions: Iterable[str]) -> str:
    rows = [_row(kind) for kind in (*KINDS, *reviews.KINDS)]
    shown = "\n".join(f"- [{page.removesuffix('.md')}]({page})" for page in definitions)
    return f"""{_MADE}
# What is served

Every kind with its URLs, verbs and subresources, as `kubectl api-resources` finds them, and what `kubectl get` prints.
Lists and watches take `metadata.name` and `metadata.namespace` in a field selector, and what the table says.
A subresource's verbs stand in brackets; wide columns are in italics.

| kind | apiVersion | resource | short | scope | verbs | subresources | field selectors |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

## Columns

| kind | columns |
|---|---|
{chr(10).join(_columns(kind) for kind in KINDS)}

## Fields

{shown}
"""


def _row(kind: Kind) -> str:
    where = f"{_page_of(schema.of_kind(kind).name)}#{kind.name.lower()}"
    below = [(name, subresources.TABLE[name]) for name in sorted(kind.subresources) if name in subresources.TABLE]
    cells = (
        f"[{kind.name}]({where})",
        kind.api_version,
        kind.plural,
        ", ".join(kind.short_names),
        "namespace" if kind.namespaced else "cluster",
        "all" if set(kind.verbs) == set(Kind("", "").verbs) else ", ".join(sorted(kind.verbs)),
        ", ".join(f"{name} ({', '.join(one.verbs)})" for name, one in below),
        ", ".join(f"`{name}`" for name in sorted(kind.fields or {})),
    )
    return f"| {' | '.join(cells)} |"


def _columns(kind: Kind) -> str:
    shown = (f"*{column.name}*" if column.priority else column.name for column in kind.columns)
    return f"| {kind.name} ({kind.api_version}) | {', '.join(shown)} |"


# --- fields ----------------------------------------------------------------------------------------------------------


def _definitions(page: str, names: list[str]) -> str:
    parts = [_definition(page, schema.definition(name)) for name in names]
    return f"{_MADE}\n# {page.removesuffix('.md')}\n\n" + "\n".join(parts)


def _definition(page: str, it: Definition) -> str:
    kind = f"A kind: `{it.kind[2]}` of `{'/'.join(part for part in it.kind[:2] if part)}`.\n\n" if it.kind else ""
    if said := descriptions.of_definition(it.name):
        kind = f"{said}\n\n{kind}"
    rows = [
        f"| `{name}` | {_type(page, one.type)} | {' '.join(filter(None, (_meaning(it, one), _rules(one))))} |"
        for name, one in it.fields.items()
    ]
    table = "\n".join(["| field | type | |", "|---|---|---|", *rows]) + "\n" if rows else "No fields.\n"
    return f"## {_short(it.name)}\n\n{kind}{table}"


def _type(page: str, type_: Type) -> str:
    if type_.form == "list" and type_.of is not None:
        return f"list of {_type(page, type_.of)}"
    if type_.form == "map" and type_.of is not None:
        return f"map to {_type(page, type_.of)}"
    if type_.form == "struct":
        there = _page_of(type_.name)
        return f"[{_short(type_.name)}]({'' if there == page else there}#{_short(type_.name).lower()})"
    return _FORMS.get(type_.form, type_.form)


def _meaning(it: Definition, one: Field) -> str:
    return descriptions.of_field(it.name, one.name).replace("|", "\\|")


def _rules(one: Field) -> str:
    said = ["required"] if one.required else []
    if one.enum:
        said.append("one of " + ", ".join(f"`{value}`" if value else "empty" for value in one.enum))
    if one.list_type == "map":
        said.append(f"one for each {' and '.join(f'`{key}`' for key in one.list_map_keys)}")
    elif one.list_type:
        said.append("each once" if one.list_type == "set" else "replaced as a whole")
    if one.map_type == "atomic":
        said.append("replaced as a whole")
    if "merge" in one.patch_strategy:
        said.append(f"a strategic patch merges by `{one.merge_key}`" if one.merge_key else "a strategic patch merges")
    if "retainKeys" in one.patch_strategy:
        said.append("a strategic patch may name the fields that stay")
    return "; ".join(said)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    made = pages()
    for stale in {path.name for path in OUT.glob("*.md")} - set(made):
        (OUT / stale).unlink()
    for name, content in made.items():
        (OUT / name).write_text(content)
    print(f"{len(made)} pages in {OUT}")


if __name__ == "__main__":
    main()
