"""What the unmodified kubectl prints of a whole object of every kind: rows, descriptions, and the object itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from procorch.kinds import KINDS, Kind
from tests.procorch.api import whole

#: kind → the cells of its row with `-o wide`; what differs from run to run is a word in capitals
ROWS = yaml.safe_load((Path(whole.__file__).parent / "rows.yaml").read_text())
#: kinds that kubectl 1.32 describes in versions that Kubernetes 1.37 does not serve any more
OF_BETAS = ("ServiceCIDR", "IPAddress", "VolumeAttributesClass")
#: addresses and ports that the API gives, uids, times and the ages since
_CHANGING = (
    (r"^10\.(9[6-9]|10\d|11[01])\.\d+\.\d+$", "CLUSTERIP"),
    (r"(?<=:)3[0-2]\d\d\d(?=/)", "NODEPORT"),
    (r"(?<==)[0-9a-f]{8}-[0-9a-f-]{27}$", "UID"),
    (r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", "TIME"),
    (r"^(\d+ \()?(\d+[smhdy])+( ago\))?$", r"\1AGE\3"),
)


def word(kind: Kind) -> str:
    """The kind as one says it to kubectl, whoever else has such a plural."""
    return f"{kind.plural}.{kind.version}.{kind.group}"


def cells(printed: str) -> list[dict[str, str]]:
    """The rows of a table that kubectl printed: title → cell."""
    head, *rows = printed.split("\n")
    starts = [found.start() for found in re.finditer(r"\S+( \S+)*", head)]
    ends = [*starts[1:], max(map(len, (head, *rows)))]
    return [{head[a:b].strip(): row[a:b].strip() for a, b in zip(starts, ends, strict=True)} for row in rows]


def steady(cell: str) -> str:
    """A cell without what differs from run to run."""
    for pattern, name in _CHANGING:
        cell = re.sub(pattern, name, cell)
    return cell


@pytest.fixture
async def kinds(served) -> list[Kind]:
    """The kinds, an object of each of which is there."""
    objects = whole.objects()
    for obj in objects:
        await whole.create(served.client, obj)
    return [KINDS.of(obj) for obj in objects]


def names() -> dict[str, str]:
    """kind → the name of its object"""
    return {obj["kind"]: obj["metadata"]["name"] for obj in whole.objects()}


def test_there_is_an_object_of_every_kind() -> None:
    assert Counter(KINDS.of(obj).name for obj in whole.objects()) == Counter(kind.name for kind in whole.stored())


async def test_every_row_is_what_kubernetes_prints(kubectl, kinds) -> None:
    wide = await kubectl("get", ",".join(map(word, kinds)), "-o", "wide")
    narrow = await kubectl("get", ",".join(map(word, kinds)))

    found: dict[str, Any] = {}
    for kind, table, short in zip(kinds, wide.strip().split("\n\n"), narrow.strip().split("\n\n"), strict=True):
        row = next(row for row in cells(table) if row["NAME"].rpartition("/")[2].split()[0] == names()[kind.name])
        assert list(row) == [column.name.upper() for column in kind.columns]
        assert list(cells(short)[0]) == [column.name.upper() for column in kind.columns if not column.priority]
        row["NAME"] = row["NAME"].rpartition("/")[2]
        found[kind.name] = [steady(cell) for cell in row.values()]
    assert found == ROWS


async def test_labels_and_namespaces_are_columns_where_they_are_asked_for(kubectl, kinds) -> None:
    for scoped in (True, False):
        words = ",".join(word(kind) for kind in kinds if kind.namespaced is scoped)
        shown = await kubectl("get", words, *(["-A"] if scoped else []), "--show-labels", "-L", "app")
        heads = [table.split("\n")[0].split() for table in shown.strip().split("\n\n")]

        assert {(head[0] == "NAMESPACE", *head[-2:]) for head in heads} == {(scoped, "APP", "LABELS")}


async def test_every_kind_is_described_without_a_gap(kubectl, kinds) -> None:
    client = json.loads(await kubectl("version", "--client", "-o", "json"))["clientVersion"]
    old = int(client["minor"].rstrip("+")) < 36
    described = [kind for kind in kinds if not (old and kind.name in OF_BETAS)]

    told = await kubectl("describe", ",".join(map(word, described)))

    missing = [kind.name for kind in described if not re.search(rf"^Name: +{names()[kind.name]}$", told, re.M)]
    assert missing == []
    odd = [line for line in told.split("\n") if re.search(r"<(unknown|invalid|error|nil)|%!|\bnil\b", line)]
    assert odd == []


async def test_every_object_can_be_had_and_given_back(kubectl, kinds) -> None:
    words = ",".join(map(word, kinds))
    shown = await kubectl("get", words, "-o", "yaml")
    rows = yaml.safe_load(shown)["items"]
    assert json.loads(await kubectl("get", words, "-o", "json"))["items"] == rows
    assert {row["kind"] for row in rows} == {kind.name for kind in kinds}

    replaced = (await kubectl("replace", "-f", "-", stdin=shown)).splitlines()
    assert len(replaced) == len(rows) and all(line.endswith(" replaced") for line in replaced)
    again = yaml.safe_load(await kubectl("get", words, "-o", "yaml"))["items"]
    assert [_without_version(row) for row in again] == [_without_version(row) for row in rows]


async def test_every_object_can_be_applied_on_the_server(kubectl, kinds) -> None:
    bare = [{name: value for name, value in obj.items() if name != "status"} for obj in whole.objects()]
    whole_list = json.dumps({"apiVersion": "v1", "kind": "List", "items": bare})

    applied = await kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=whole_list)
    differs = await kubectl.run("diff", "--server-side", "--force-conflicts", "-f", "-", stdin=whole_list)

    assert applied.code == 0
    assert all(line.startswith("Warning: ") for line in applied.err.splitlines()), applied.err
    assert len(applied.out.splitlines()) == len(bare)
    assert (differs.code, differs.out) == (0, "")


def _without_version(obj: Any) -> Any:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": ""}}
