"""Questions that are answered and never stored."""

from __future__ import annotations

import orjson
import pytest

from procorch.api import LocalTransport, User
from procorch.client import Client
from procorch.objects import BadRequest, Forbidden, Invalid, Object

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io/v1", "authorization.k8s.io/v1"
READ_PODS = {"verb": "list", "resource": "pods", "namespace": "default"}


async def ask(client: Client, version: str, kind: str, namespace: str = "", **body: object) -> Object:
    """Posts a review and gives its status."""
    below = f"namespaces/{namespace}/" if namespace else ""
    sent = orjson.dumps({"apiVersion": version, "kind": kind, **body})
    answer = await client.raw("POST", f"/apis/{version}/{below}{kind.lower()}s", body=sent)
    return orjson.loads(answer.body)["status"]


async def review(client: Client, token: str, *audiences: str) -> Object:
    spec = {"token": token, "audiences": list(audiences)} if audiences else {"token": token}
    return await ask(client, AUTHENTICATION, "TokenReview", spec=spec)


async def test_reviews_answer_who_am_i_and_may_i(served):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = orjson.loads((await served.client.raw("POST", path, body=orjson.dumps(body))).body)
    assert answer["status"]["userInfo"]["groups"] == ["system:masters", "system:authenticated"]

    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}}}  # fmt: skip
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = orjson.loads((await served.client.raw("POST", path, body=orjson.dumps(body))).body)
    assert answer["status"]["allowed"] is True


async def test_nobody_in_particular_may_ask_and_hears_no(served):
    client = Client(LocalTransport(served.api, User("jane")))
    shell = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async def allowed(**spec):
        answer = await client.raw("POST", path, body=orjson.dumps({**shell, "spec": spec}))
        return orjson.loads(answer.body)["status"]["allowed"]

    assert await allowed(resourceAttributes={"verb": "get", "resource": "pods"}) is False
    assert await allowed(nonResourceAttributes={"verb": "get", "path": "/version"}) is True
    assert await allowed(nonResourceAttributes={"verb": "get", "path": "/metrics"}) is False
    with pytest.raises(BadRequest):
        await allowed(resourceAttributes=7)


async def test_a_token_is_known_to_who_may_ask(served):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}
    made = await served.client.create(account)
    token = served.api.service_accounts.mint(made, now=served.api.clock(), seconds=600, audiences=["api", "vault"])
    own = served.api.service_accounts.mint(made, now=served.api.clock(), seconds=600, audiences=[])

    known = await review(served.client, token, "vault", "other")
    assert known["authenticated"] is True and known["audiences"] == ["vault"]
    assert known["user"]["username"] == "system:serviceaccount:default:robot"
    assert known["user"]["groups"][-1] == "system:authenticated" and known["user"]["uid"] == made["metadata"]["uid"]
    assert (await review(served.client, own))["audiences"] == [served.api.service_accounts.issuer]
    for wrong in (await review(served.client, token), await review(served.client, own, "vault"),
                  await review(served.client, "a.b.c"), await review(served.client, "x.y")):  # fmt: skip
        assert wrong == {"user": {}, "error": "invalid bearer token"}
    with pytest.raises(BadRequest, match="token is required"):
        await review(served.client, "")
    with pytest.raises(Forbidden):
        await review(Client(LocalTransport(served.api, User("jane"))), token)


async def test_an_administrator_asks_about_others(served):
    async def allowed(**spec):
        return (await ask(served.client, AUTHORIZATION, "SubjectAccessReview", spec=spec))["allowed"]

    assert await allowed(user="jane", groups=["system:masters"], resourceAttributes=READ_PODS) is True
    assert await allowed(user="jane", resourceAttributes=READ_PODS) is False
    assert await allowed(groups=["system:masters"], nonResourceAttributes={"verb": "get", "path": "/metrics"}) is True
    with pytest.raises(Forbidden):
        await ask(Client(LocalTransport(served.api, User("jane"))), AUTHORIZATION, "SubjectAccessReview",
                  spec={"user": "bob", "resourceAttributes": READ_PODS})  # fmt: skip


async def test_a_question_about_a_part_names_the_part(served):
    async def wrong(**selectors):
        with pytest.raises(Invalid) as refused:
            await ask(served.client, AUTHORIZATION, "SelfSubjectAccessReview",
                      spec={"resourceAttributes": {**READ_PODS, **selectors}})  # fmt: skip
        return [(cause["field"].rpartition("Selector.")[2], cause["message"]) for cause in
                refused.value.details["causes"]]  # fmt: skip

    by_label = {"requirements": [{"key": "app", "operator": "In", "values": ["web"]}]}
    answer = await ask(served.client, AUTHORIZATION, "SelfSubjectAccessReview",
                       spec={"resourceAttributes": {**READ_PODS, "labelSelector": by_label,
                                                    "fieldSelector": {"rawSelector": "spec.nodeName=n1"}}})  # fmt: skip

    assert answer["allowed"] is True
    assert await wrong(fieldSelector={**by_label, "rawSelector": "a=b"}) == [
        ("rawSelector", 'Invalid value: "a=b": may not specified at the same time as requirements')
    ]
    assert await wrong(labelSelector={}) == [
        ("requirements", "Required value: when spec.resourceAttributes.labelSelector is specified, "
                         "requirements or rawSelector is required")
    ]  # fmt: skip
    assert await wrong(labelSelector={"requirements": [{"key": "a", "operator": "In"}]}) == [
        ("requirements[0].values", "Required value: must be specified when `operator` is 'In' or 'NotIn'")
    ]
    assert await wrong(fieldSelector={"requirements": [{"operator": "Newer"}]}) == [
        ("requirements[0].key", "Required value: must be specified")
    ]


async def test_a_question_within_a_namespace_is_about_that_namespace(served):
    async def local(**spec):
        return await ask(served.client, AUTHORIZATION, "LocalSubjectAccessReview", "default", spec=spec)

    assert await local(user="jane", groups=["system:masters"], resourceAttributes=READ_PODS) == {"allowed": True}
    with pytest.raises(Invalid, match=r"must match metadata\.namespace"):
        await local(user="jane", resourceAttributes={**READ_PODS, "namespace": "kube-system"})
    with pytest.raises(Invalid, match="disallowed on this kind of request"):
        await local(user="jane", nonResourceAttributes={"verb": "get", "path": "/"})


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"user": "jane"}, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        ({"resourceAttributes": READ_PODS}, "at least one of user or group must be specified"),
        (
            {"user": "jane", "resourceAttributes": READ_PODS, "nonResourceAttributes": {"path": "/", "verb": "get"}},
            "cannot be specified in combination with resourceAttributes",
        ),
    ],
)
async def test_a_question_that_is_none_is_refused(served, spec, problem):
    with pytest.raises(Invalid, match=problem):
        await ask(served.client, AUTHORIZATION, "SubjectAccessReview", spec=spec)


async def test_everybody_may_ask_what_they_may(served):
    everything = await ask(served.client, AUTHORIZATION, "SelfSubjectRulesReview", spec={"namespace": "default"})
    assert everything["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert everything["incomplete"] is False

    jane = Client(LocalTransport(served.api, User("jane")))
    little = await ask(jane, AUTHORIZATION, "SelfSubjectRulesReview", spec={"namespace": "default"})
    assert {tuple(rule["verbs"]) for rule in little["resourceRules"]} == {("create",)}
    node = Client(LocalTransport(served.api, User("system:node:n1", ("system:nodes",))))
    some = await ask(node, AUTHORIZATION, "SelfSubjectRulesReview", spec={"namespace": "default"})
    assert some["incomplete"] is True and "bound to it" in some["evaluationError"]
    with pytest.raises(BadRequest, match="no namespace on request"):
        await ask(jane, AUTHORIZATION, "SelfSubjectRulesReview", spec={})


async def test_what_the_rules_say_is_what_is_allowed(served):
    """Each rule that is shown is one by which the authorizer judges."""
    for user in (User("jane"), User("system:bootstrap:a", ("system:bootstrappers",)),
                 User("system:node:n1", ("system:nodes",))):  # fmt: skip
        client = Client(LocalTransport(served.api, user))
        status = await ask(client, AUTHORIZATION, "SelfSubjectRulesReview", spec={"namespace": "default"})
        for rule in status["resourceRules"]:
            for verb in rule["verbs"]:
                attributes = {"verb": verb, "group": rule["apiGroups"][0], "resource": rule["resources"][0]}
                spec = {"resourceAttributes": attributes}
                answer = await ask(client, AUTHORIZATION, "SelfSubjectAccessReview", spec=spec)
                assert answer["allowed"] is True, (user, attributes)


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [(AUTHENTICATION, "TokenReview", {"token": "x"}),
     (AUTHORIZATION, "SelfSubjectAccessReview", {"resourceAttributes": READ_PODS}),
     (AUTHORIZATION, "SelfSubjectRulesReview", {"namespace": "default"})],
)  # fmt: skip
async def test_a_review_was_never_created_so_it_has_no_time(served, version, kind, spec):
    sent = orjson.dumps({"apiVersion": version, "kind": kind, "metadata": {"labels": {"a": "b"}}, "spec": spec})
    answer = orjson.loads((await served.client.raw("POST", f"/apis/{version}/{kind.lower()}s", body=sent)).body)

    assert answer["metadata"] == {"labels": {"a": "b"}}
    assert answer["spec"] == ({} if kind == "SelfSubjectRulesReview" else spec)


async def test_who_am_i_says_when_it_was_asked(served):
    path = f"/apis/{AUTHENTICATION}/selfsubjectreviews"
    answer = orjson.loads((await served.client.raw("POST", path, body=b"{}")).body)

    assert list(answer["metadata"]) == ["creationTimestamp"] and answer["metadata"]["creationTimestamp"].endswith("Z")
