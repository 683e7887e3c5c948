"""Who belongs where; and how wide a request is."""

from __future__ import annotations

import pytest

from procorch.api.levels import LEVELS, MOST_WIDE, SCHEMAS, place, width
from procorch.api.request import MASTERS, User
from procorch.api.routes import parse
from procorch.kinds import KINDS

NODE = User("system:node:n1", ("system:nodes",))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"
POD = "/api/v1/namespaces/default/pods/p"


@pytest.mark.parametrize(
    ("user", "method", "path", "level"),
    [
        pytest.param(NODE, "PUT", LEASE, "node-high", id="a node's sign of life"),
        pytest.param(NODE, "PATCH", "/api/v1/nodes/n1/status", "node-high", id="a node's status"),
        pytest.param(NODE, "GET", "/api/v1/pods", "system", id="a node's other requests"),
        pytest.param(User("system:kube-scheduler"), "PUT", LEASE, "leader-election", id="an election"),
        pytest.param(User("system:kube-scheduler"), "POST", f"{POD}/binding", "workload-high", id="a control loop"),
        pytest.param(
            User("system:serviceaccount:kube-system:x", ("system:serviceaccounts:kube-system",)),
            "GET", POD, "workload-high", id="what belongs to the cluster",
        ),
        pytest.param(
            User("system:serviceaccount:a:b", ("system:serviceaccounts",)), "GET", POD, "workload-low", id="a pod"
        ),
        pytest.param(User("admin", (MASTERS,)), "GET", POD, "global-default", id="an administrator, too"),
        pytest.param(User("system:anonymous"), "GET", "/version", "catch-all", id="nobody"),
    ],
)  # fmt: skip
def test_a_request_has_its_level(user, method, path, level):
    assert place(user, parse(KINDS, method, path, {}), "")[0] == level


def test_two_programs_of_one_user_are_two_flows_and_two_versions_of_one_are_not():
    admin, route = User("admin", (MASTERS,)), parse(KINDS, "GET", POD, {})
    flows = [place(admin, route, agent)[1] for agent in ("kubectl/v1.37 (linux)", "kubectl/v1.32", "noise/1")]

    assert flows[0] == flows[1] != flows[2]
    assert place(User("other"), route, "noise/1")[1] != flows[2]


def test_every_schema_leads_to_a_level():
    assert {schema.level for schema in SCHEMAS} == {level.name for level in LEVELS}


def test_the_width_grows_with_what_is_to_be_done_and_has_an_end():
    assert width() == 1 == width(objects=99) == width(watchers=10, size=1000)
    assert width(objects=500) == 6 and width(watchers=1000) == MOST_WIDE == width(size=3 << 20)
