"""Who asks: every credential, and what is wrong with a wrong one."""

from __future__ import annotations

import base64

import orjson
import pytest

from procorch import tokens
from procorch.api import Request, User
from procorch.api.auth import Authenticator, ServiceAccountTokens, impersonated, token_among
from procorch.objects import Forbidden, Unauthorized

IN_PROTOCOL = "base64url.bearer.authorization.k8s.io."


def bearer(token):
    return Request("GET", "/", {}, {"authorization": f"Bearer {token}"})


async def test_a_bootstrap_token_is_good_until_it_expires(served):
    token = tokens.Token.new("")
    now = served.api.clock()
    await served.client.create(tokens.secret_of(token, expires=now + 100))

    user = served.api.authenticator.authenticate(bearer(token.bearer))
    assert user.name == f"system:bootstrap:{token.id}" and "system:bootstrappers" in user.groups

    with pytest.raises(Unauthorized):
        served.api.authenticator.authenticate(bearer(f"{token.id}.aaaaaaaaaaaaaaaa"))
    late = Authenticator(served.api.lookup, lambda: now + 101)
    with pytest.raises(Unauthorized):
        late.authenticate(bearer(token.bearer))


async def account(served):
    return await served.client.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}
    )


async def token_of(served, **spec):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    return orjson.loads((await served.client.raw("POST", path, body=orjson.dumps(body))).body)["status"]["token"]


def claims_of(token):
    return orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def test_a_service_account_token_is_good_while_the_account_is(served):
    await account(served)
    token = await token_of(served)

    user = served.api.authenticator.authenticate(bearer(token))
    assert user.name == "system:serviceaccount:default:robot"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:default")

    await served.client.delete("ServiceAccount", "default/robot")
    await account(served)  # the same name, another account
    with pytest.raises(Unauthorized):
        served.api.authenticator.authenticate(bearer(token))


async def test_a_token_bound_to_a_pod_ends_with_the_pod(served):
    await account(served)
    await served.client.create({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "host", "command": ["a"]}]},
    })  # fmt: skip
    token = await token_of(served, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    extra = served.api.authenticator.authenticate(bearer(token)).extra
    assert extra["authentication.kubernetes.io/pod-name"] == ("p",)
    (identity,) = extra["authentication.kubernetes.io/credential-id"]
    assert identity == f"JTI={claims_of(token)['jti']}"

    await served.client.delete("Pod", "default/p")
    with pytest.raises(Unauthorized):
        served.api.authenticator.authenticate(bearer(token))


async def test_a_token_that_was_touched_or_is_for_others_is_not_good(served):
    await account(served)
    token = await token_of(served)
    head, claims, signature = token.split(".")
    forged = orjson.loads(base64.urlsafe_b64decode(claims + "=="))
    forged["sub"] = "system:serviceaccount:kube-system:admin"
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(orjson.dumps(forged)).rstrip(b"=").decode()

    for bad in (f"{head}.{body}.{signature}", f"{none}.{claims}.", f"{head}.{claims}.", "a.b.c", "..", "é.é.é",
                await token_of(served, audiences=["others"])):  # fmt: skip
        with pytest.raises(Unauthorized):
            served.api.authenticator.authenticate(bearer(bad))


def test_a_token_expires(credentials):
    key = (credentials.directory / "service-account.key").read_bytes()
    signer = ServiceAccountTokens(key, "here")
    robot = {"metadata": {"namespace": "default", "name": "robot", "uid": "1"}}
    token = signer.mint(robot, now=1000, seconds=600, audiences=[])

    assert signer.verify(token, 1599) is not None
    assert signer.verify(token, 1600) is None and signer.verify(token, 900) is None


def test_static_tokens_and_the_transports_own_word():
    authenticator = Authenticator(lambda kind, key: None, lambda: 0, tokens={"s3cret": User("ci")})

    assert authenticator.authenticate(bearer("s3cret")).name == "ci"
    assert authenticator.authenticate(Request("GET", "/", {}, {}, user=User("cert"))).name == "cert"
    for headers in ({}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer "}, {"authorization": "Bearer x"}):
        with pytest.raises(Unauthorized):
            authenticator.authenticate(Request("GET", "/", {}, headers))


async def test_a_wrong_token_over_the_socket_is_401(served):
    transport = served.transport(token="aaaaaa.bbbbbbbbbbbbbbbb")

    answer = await transport.send("GET", "/api/v1/pods")

    assert answer.status == 401 and orjson.loads(answer.body)["reason"] == "Unauthorized"
    await transport.close()


def test_only_administrators_speak_for_others():
    admin, jane = User("admin", ("system:masters",)), User("jane", ("team",))
    headers = {"impersonate-user": "bob", "impersonate-group": "a, b"}

    assert impersonated(admin, headers) == User("bob", ("a", "b"))
    assert impersonated(jane, {}) == jane
    with pytest.raises(Forbidden, match='User "jane" cannot impersonate resource "users"'):
        impersonated(jane, headers)
    with pytest.raises(Forbidden):
        impersonated(admin, {"impersonate-group": "a"})


@pytest.mark.parametrize(
    ("protocols", "found"),
    [
        pytest.param("binary.k8s.io", ("binary.k8s.io", ""), id="none"),
        pytest.param("", ("", ""), id="nothing"),
        pytest.param(f"{IN_PROTOCOL}dG9rZW4, binary.k8s.io", ("binary.k8s.io", "token"), id="one, without padding"),
        pytest.param(f"v5.channel.k8s.io,{IN_PROTOCOL}_-8", ("v5.channel.k8s.io", ""), id="no UTF-8"),
        pytest.param(f"a, {IN_PROTOCOL}!, b", ("a, b", ""), id="no base64"),
        pytest.param(f"{IN_PROTOCOL}dG9rZW4", ("", ""), id="no other protocol beside it"),
        pytest.param(f"a, {IN_PROTOCOL}dG9rZW4, {IN_PROTOCOL}dG9rZW4", ("a", ""), id="two"),
    ],
)
def test_a_token_among_the_protocols_of_a_websocket(protocols, found):
    assert token_among(protocols) == found
