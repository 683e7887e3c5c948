"""Who belongs where: by what every cluster begins with, by objects, and as soon as they change."""

from __future__ import annotations

import pytest

import store
from procorch.api import Api, LocalTransport, User
from procorch.api.flows import Flows, Placed
from procorch.api.request import MASTERS
from procorch.api.routes import parse
from procorch.client import Client
from procorch.flowcontrol import ensure
from procorch.kinds import KINDS

GROUP = "flowcontrol.apiserver.k8s.io/v1"
NODE = User("system:node:n1", ("system:nodes",))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"
POD = "/api/v1/namespaces/default/pods/p"


def account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


@pytest.fixture
async def api():
    log = await store.Log.open(":memory:")
    api = Api(log)
    await api.start()
    yield api
    await api.close()
    await log.close()


@pytest.fixture
def client_of():
    return lambda api: Client(LocalTransport(api, User("admin", (MASTERS,))))


def place(flows: Flows, user: User, method: str = "GET", path: str = POD, agent: str = "") -> Placed:
    return flows.place(user, parse(KINDS, method, path, {}), agent)


@pytest.mark.parametrize(
    ("user", "method", "path", "schema", "level"),
    [
        pytest.param(NODE, "PUT", LEASE, "system-node-high", "node-high", id="a node's sign of life"),
        pytest.param(NODE, "PATCH", "/api/v1/nodes/n1/status", "system-node-high", "node-high", id="a node's status"),
        pytest.param(NODE, "GET", "/api/v1/pods", "system-nodes", "system", id="a node's other requests"),
        pytest.param(User("system:kube-scheduler"), "PUT", LEASE, "system-leader-election", "leader-election",
                     id="an election"),
        pytest.param(account("kube-system", "x"), "PUT", LEASE, "system-leader-election", "leader-election",
                     id="an election of what belongs to the cluster"),
        pytest.param(User("system:kube-scheduler"), "DELETE", LEASE, "kube-scheduler", "workload-high",
                     id="an election deletes nothing"),
        pytest.param(User("system:kube-scheduler"), "POST", f"{POD}/binding", "kube-scheduler", "workload-high",
                     id="a control loop"),
        pytest.param(User("system:kube-controller-manager"), "GET", POD, "kube-controller-manager", "workload-high",
                     id="another"),
        pytest.param(account("kube-system", "x"), "GET", POD, "kube-system-service-accounts", "workload-high",
                     id="what belongs to the cluster"),
        pytest.param(account("a", "b"), "GET", POD, "service-accounts", "workload-low", id="a pod"),
        pytest.param(User("admin", (MASTERS,)), "GET", POD, "exempt", "exempt", id="an administrator"),
        pytest.param(User("jane"), "GET", POD, "global-default", "global-default", id="a person"),
        pytest.param(User("jane"), "GET", "/readyz/ping", "probes", "exempt", id="a probe"),
        pytest.param(User("jane"), "GET", "/readyzz", "global-default", "global-default", id="what only looks like it"),
        pytest.param(User("system:anonymous"), "GET", "/version", "global-default", "global-default", id="nobody"),
    ],
)  # fmt: skip
async def test_a_request_has_its_level_before_there_are_objects_and_with_them(api, client_of, user, method, path,
                                                                              schema, level):  # fmt: skip
    flows = Flows(api.cache, api.fairness)
    before = place(flows, user, method, path)
    await ensure(client_of(api))
    after = place(flows, user, method, path)

    assert (before.schema, before.level) == (after.schema, after.level) == (schema, level)
    assert set(before.headers.values()) == {""} and [len(uid) for uid in after.headers.values()] == [36, 36]


def schema_of(name: str, level: str, precedence: int, rule: dict, method: str = "ByUser") -> dict:
    spec = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": [rule]}
    if method:
        spec["distinguisherMethod"] = {"type": method}
    return {"apiVersion": GROUP, "kind": "FlowSchema", "metadata": {"name": name}, "spec": spec}


def rule_of(subject: dict, **resources: object) -> dict:
    one = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
        **resources,
    }
    return {"subjects": [subject], "resourceRules": [one]}


JANE = {"kind": "User", "user": {"name": "jane"}}
NODES = "/api/v1/nodes/n1"


@pytest.mark.parametrize(
    ("rule", "user", "method", "path", "matches"),
    [
        pytest.param(rule_of(JANE), User("jane"), "GET", POD, True, id="her name"),
        pytest.param(rule_of(JANE), User("janet"), "GET", POD, False, id="another's"),
        pytest.param(rule_of({"kind": "User", "user": {"name": "*"}}), User("x"), "GET", POD, True, id="anybody"),
        pytest.param(rule_of({"kind": "Group", "group": {"name": "g"}}), User("x", ("g",)), "GET", POD, True,
                     id="a group"),
        pytest.param(rule_of({"kind": "Group", "group": {"name": "*"}}), User("x"), "GET", POD, True, id="any group"),
        pytest.param(rule_of({"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": "b"}}),
                     account("a", "b"), "GET", POD, True, id="an account"),
        pytest.param(rule_of({"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": "b"}}),
                     account("a", "bb"), "GET", POD, False, id="an account with a longer name"),
        pytest.param(rule_of({"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": "*"}}),
                     account("aa", "b"), "GET", POD, False, id="accounts of a namespace with a longer name"),
        pytest.param(rule_of(JANE, verbs=["list", "watch"]), User("jane"), "GET", POD, False, id="another verb"),
        pytest.param(rule_of(JANE, verbs=["list"]), User("jane"), "GET", "/api/v1/pods", True, id="its verb"),
        pytest.param(rule_of(JANE, apiGroups=[""]), User("jane"), "GET", LEASE, False, id="another group"),
        pytest.param(rule_of(JANE, resources=["pods"]), User("jane"), "GET", f"{POD}/log", False,
                     id="a subresource has a name of its own"),
        pytest.param(rule_of(JANE, resources=["pods/log"]), User("jane"), "GET", f"{POD}/log", True, id="and by it"),
        pytest.param(rule_of(JANE, namespaces=["default"]), User("jane"), "GET", POD, True, id="its namespace"),
        pytest.param(rule_of(JANE, namespaces=["other"]), User("jane"), "GET", POD, False, id="another namespace"),
        pytest.param(rule_of(JANE, clusterScope=False), User("jane"), "GET", NODES, False, id="what has no namespace"),
        pytest.param(rule_of(JANE, namespaces=[]), User("jane"), "GET", NODES, True, id="only what has none"),
        pytest.param(rule_of(JANE, namespaces=[]), User("jane"), "GET", POD, False, id="and not what has one"),
        pytest.param(rule_of(JANE, namespaces=["default"], clusterScope=False), User("jane"), "GET",
                     "/api/v1/namespaces/default", True, id="a namespace lies in itself"),
        pytest.param(rule_of(JANE), User("jane"), "GET", "/version", False, id="no resource"),
        pytest.param({"subjects": [JANE], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/openapi/*"]}]},
                     User("jane"), "GET", "/openapi/v2", True, id="a path below"),
        pytest.param({"subjects": [JANE], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/openapi/*"]}]},
                     User("jane"), "GET", "/openapiv2", False, id="a path beside"),
    ],
)  # fmt: skip
async def test_rules_match_as_kubernetes_rules(api, client_of, rule, user, method, path, matches):
    flows = Flows(api.cache, api.fairness)
    await client_of(api).create(schema_of("mine", "catch-all", 2000, rule))

    assert (place(flows, user, method, path).schema == "mine") is matches


async def test_the_lowest_precedence_counts_then_the_name_and_one_without_a_level_does_not(api, client_of):
    client, flows = client_of(api), Flows(api.cache, api.fairness)
    for name, level, precedence in [("b", "catch-all", 50), ("a", "catch-all", 50), ("c", "catch-all", 40),
                                    ("d", "nowhere", 10)]:  # fmt: skip
        await client.create(schema_of(name, level, precedence, rule_of(JANE)))
    found = [place(flows, User("jane")).schema]
    await client.delete("FlowSchema", "c")
    found.append(place(flows, User("jane")).schema)
    await client.delete("FlowSchema", "a")
    found.append(place(flows, User("jane")).schema)

    assert found == ["c", "a", "b"]
    assert place(flows, User("other")).schema == "catch-all"  # the mandatory ones are there although nobody made them
    assert place(flows, User("admin", (MASTERS,))).schema == "exempt"


async def test_flows_are_told_apart_by_user_by_namespace_or_not_at_all(api, client_of):
    client, flows = client_of(api), Flows(api.cache, api.fairness)
    other = "/api/v1/namespaces/other/pods/p"
    everybody = rule_of({"kind": "Group", "group": {"name": "*"}})
    flows_of = {}
    for method in ("ByUser", "ByNamespace", ""):
        schema = await client.create(schema_of("mine", "catch-all", 50, everybody, method))
        flows_of[method] = [place(flows, User(name), "GET", path).flow
                            for name, path in (("jane", POD), ("jim", POD), ("jane", other))]  # fmt: skip
        await client.delete("FlowSchema", schema["metadata"]["name"])

    jane, jim, elsewhere = flows_of["ByUser"]
    assert jane == elsewhere != jim
    jane, jim, elsewhere = flows_of["ByNamespace"]
    assert jane == jim != elsewhere
    assert len(set(flows_of[""])) == 1


async def test_two_programs_of_one_administrator_are_two_flows_and_two_versions_of_one_are_not(api):
    flows, admin = Flows(api.cache, api.fairness), User("admin", (MASTERS,))
    found = [place(flows, admin, agent=agent).flow for agent in ("kubectl/v1.37 (linux)", "kubectl/v1.32", "noise/1")]

    assert found[0] == found[1] != found[2]


async def test_an_answer_says_by_which_objects_it_was_placed_and_a_change_counts_for_the_next_request(served):
    """As the conformance tests of flow control do: an answer's headers name the objects."""
    await ensure(served.client)
    level = {"apiVersion": GROUP, "kind": "PriorityLevelConfiguration", "metadata": {"name": "mine"}, "spec": {
        "type": "Limited", "limited": {"nominalConcurrencyShares": 1,
            "limitResponse": {"type": "Reject"}}}}  # fmt: skip
    level = await served.client.create(level)
    schema = await served.client.create(schema_of("mine", "mine", 1000, rule_of(JANE)))
    jane = served.transport("jane")
    refused = await jane.send("GET", "/api/v1/namespaces/default/pods/none")
    admin = served.transport("admin", MASTERS)
    missing = await admin.send("GET", "/api/v1/namespaces/default/pods/none")
    watch = await admin.send("GET", "/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion=1")
    await served.client.delete("FlowSchema", "mine")
    default = await jane.send("GET", "/api/v1/namespaces/default/pods/none")
    for one in (jane, admin):
        await one.close()

    def uids(answer) -> tuple[str, str]:
        return answer.headers["x-kubernetes-pf-flowschema-uid"], answer.headers["x-kubernetes-pf-prioritylevel-uid"]

    async def named(schema: str, level: str) -> tuple[str, str]:
        kinds = (("FlowSchema", schema), ("PriorityLevelConfiguration", level))
        schema_uid, level_uid = [(await served.client.get(*one))["metadata"]["uid"] for one in kinds]
        return schema_uid, level_uid

    assert (refused.status, missing.status, default.status) == (403, 404, 403)
    assert uids(refused) == (schema["metadata"]["uid"], level["metadata"]["uid"])
    assert uids(missing) == uids(watch) == await named("exempt", "exempt")
    assert uids(default) == await named("global-default", "global-default")


async def test_a_level_that_is_changed_lets_in_or_refuses_the_next_request(served):
    def jail(**limited: object) -> dict:
        response = {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}, **limited}
        return {"apiVersion": GROUP, "kind": "PriorityLevelConfiguration", "metadata": {"name": "jail"},
                "spec": {"type": "Limited", "limited": response}}  # fmt: skip

    await ensure(served.client)
    await served.client.create(jail(borrowingLimitPercent=0))
    paths = {"subjects": [JANE], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version"]}]}
    await served.client.create(schema_of("jail", "jail", 3, paths))
    jane, jim, admin = served.transport("jane"), served.transport("jim"), served.transport("admin", MASTERS)
    refused, other = await jane.send("GET", "/version"), await jim.send("GET", "/version")
    await served.client.patch(
        "PriorityLevelConfiguration", "jail", {"spec": {"limited": {"nominalConcurrencyShares": 1}}}
    )
    let_in = await jane.send("GET", "/version")
    metrics = (await admin.send("GET", "/metrics")).body.decode()
    for one in (jane, jim, admin):
        await one.close()

    assert (refused.status, refused.headers["retry-after"], other.status, let_in.status) == (429, "1", 200, 200)
    about = 'flow_schema="jail",priority_level="jail"'
    assert f'apiserver_flowcontrol_rejected_requests_total{{{about},reason="concurrency-limit"}} 1' in metrics
    assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="jail"} 1' in metrics
