"""Which priority level and which flow a request belongs to, as data: Kubernetes' own suggestions, but for one row.

Source: the suggested and mandatory configuration of API Priority and Fairness in Kubernetes' documentation, whose
shares, percentages and precedences these are. Where it differs: an administrator's request from outside is not exempt.
Here most who speak to the API are administrators, and 64 of them may drown a node's heartbeat; `kubectl` with the same
certificate still has a flow of its own, and its turn after at most one request of each other flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from procorch.api.request import User
from procorch.api.routes import Route


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """shares: of all seats, relative to the other levels'. lendable: percent of them that others may have meanwhile."""

    name: str
    shares: int
    lendable: int


@dataclass(frozen=True, slots=True)
class Schema:
    """Requests of one sort. by_user: each user's program is a flow of its own; else all of them are one flow."""

    name: str
    level: str
    matches: Callable[[User, Route], bool]
    by_user: bool = True


LEVELS = (
    LevelSpec("node-high", 40, 25),
    LevelSpec("system", 30, 33),
    LevelSpec("leader-election", 10, 0),
    LevelSpec("workload-high", 40, 50),
    LevelSpec("workload-low", 100, 90),
    LevelSpec("global-default", 20, 50),
    LevelSpec("catch-all", 5, 0),
)

_CONTROL = ("system:kube-controller-manager", "system:kube-scheduler")
_LEASES = ("coordination.k8s.io", "leases")


def _is_lease(route: Route) -> bool:
    return (route.group, route.resource) == _LEASES


def _is_heartbeat(user: User, route: Route) -> bool:
    return "system:nodes" in user.groups and (_is_lease(route) or (route.resource == "nodes" and not route.group))


#: in the order of their precedence; the first that matches counts
SCHEMAS = (
    Schema("system-leader-election", "leader-election", lambda user, route: user.name in _CONTROL and _is_lease(route)),
    Schema("workload-leader-election", "leader-election", lambda user, route: _is_lease(route)
           and "system:serviceaccounts:kube-system" in user.groups),
    Schema("system-node-high", "node-high", _is_heartbeat),
    Schema("system-nodes", "system", lambda user, route: "system:nodes" in user.groups),
    Schema("kube-controllers", "workload-high", lambda user, route: user.name in _CONTROL),
    Schema("kube-system-service-accounts", "workload-high",
           lambda user, route: "system:serviceaccounts:kube-system" in user.groups),
    Schema("service-accounts", "workload-low", lambda user, route: "system:serviceaccounts" in user.groups),
    Schema("global-default", "global-default", lambda user, route: user.name != "system:anonymous"),
    Schema("catch-all", "catch-all", lambda user, route: True, by_user=False),
)  # fmt: skip


def place(user: User, route: Route, agent: str) -> tuple[str, str]:
    """The level's name, and the flow within it. agent: the User-Agent header; its first word is a program's name."""
    for schema in SCHEMAS:
        if schema.matches(user, route):
            flow = f"{schema.name} {user.name} {agent.partition('/')[0][:100]}" if schema.by_user else schema.name
            return schema.level, flow
    raise AssertionError("the last schema matches everything")


MOST_WIDE = 10
_OBJECTS_A_SEAT = 100
_WATCHERS_A_SEAT = 100
_BYTES_A_SEAT = 256 << 10


def width(objects: int = 0, watchers: int = 0, size: int = 0) -> int:
    """The seats that a request takes, 1 to 10: a seat is what the write of a small object costs.

    objects: that it looks at, watchers: that a change is told to, size: of its body in bytes.
    """
    return min(1 + objects // _OBJECTS_A_SEAT + watchers // _WATCHERS_A_SEAT + size // _BYTES_A_SEAT, MOST_WIDE)
