"""An object of every kind that is stored, valid and with much in it, and how it is created whole."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from procorch.client import Client
from procorch.kinds import KINDS, Kind
from procorch.objects import Object
from tests.procorch.kinds.test_certificatesigningrequest import request

_FILES = ("core.yaml", "groups.yaml")
#: these are named by others, which would be refused without them
_FIRST = ("Namespace", "PriorityClass", "PriorityLevelConfiguration", "ServiceAccount", "Node")


def _read() -> list[Object]:
    found = [obj for name in _FILES for obj in yaml.safe_load_all((Path(__file__).parent / name).read_text())]
    found.append({**request(), "status": {}})
    return sorted(found, key=lambda obj: _FIRST.index(obj["kind"]) if obj["kind"] in _FIRST else len(_FIRST))


_OBJECTS = _read()


def objects() -> list[Object]:
    """One of each kind, in an order in which they can be created. Each call gives them anew."""
    return copy.deepcopy(_OBJECTS)


def stored(kinds: list[Kind] | None = None) -> list[Kind]:
    """The kinds of which objects can be created and kept, each once."""
    return [kind for kind in kinds or KINDS if "create" in kind.verbs and kind.guise_of is None]


async def create(client: Client, obj: Object) -> Object:
    """The object as it stands, its status included, which is written through its subresource."""
    made = await client.create({name: value for name, value in obj.items() if name != "status"})
    if not obj.get("status") or "status" not in KINDS.of(obj).subresources:
        return made
    return await client.update_status({**made, "status": obj["status"]})
