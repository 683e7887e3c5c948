"""ComponentStatus: how the parts behind the API do, found out when somebody asks; nothing of it is stored.

The names are those that Kubernetes' clients look for: `etcd-0` is the store, whatever keeps it; `scheduler` and
`controller-manager` are the loops of the master that leads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from procorch.api.cache import Entry
from procorch.api.encoding import encode
from procorch.clock import parse_timestamp
from procorch.kinds import KINDS
from procorch.kinds.fields import part, text
from procorch.objects import NotFound, Object

if TYPE_CHECKING:
    from procorch.api.api import Api

KIND = KINDS["ComponentStatus"]
_LEADER = "kube-system/procorch-master"  # the Lease of the master that runs the loops, where there are several
_FRESH = 15.0  # seconds without a renewal after which nobody leads


def one(api: Api, name: str) -> Entry:
    """Raises NotFound."""
    for entry in entries(api):
        if entry.key == name:
            return entry
    raise NotFound.of(KIND.plural, name)


def entries(api: Api) -> list[Entry]:
    """All of them, by name."""
    loops = _loops_problem(api)
    store = f"{len(api.log.damaged)} damaged values: see `procorch check`" if api.log.damaged else ""
    rows = (("controller-manager", loops), ("etcd-0", store), ("scheduler", loops))
    return [Entry(name, encode(KIND, _component(name, problem)), 0) for name, problem in rows]


def _component(name: str, problem: str) -> Object:
    condition = {"type": "Healthy", "status": "False" if problem else "True", "message": problem or "ok"}
    return {
        "kind": KIND.name,
        "apiVersion": KIND.api_version,
        "metadata": {"name": name},
        "conditions": [condition],
    }


def _loops_problem(api: Api) -> str:
    """Why nobody runs the loops; empty where somebody does. A master that is alone runs them itself."""
    if not api.log.is_shared:
        return ""
    lease = api.lookup("Lease", _LEADER)
    try:
        age = api.clock() - parse_timestamp(text(part(lease, "spec").get("renewTime")))
    except ValueError:
        return "no master leads"
    return f"no master leads: the last was heard of {age:.0f} s ago" if age > _FRESH else ""
