"""Who may do what: a table of requests for each kind of user."""

from __future__ import annotations

import pytest

from procorch.api import LocalTransport, User
from procorch.api.authorize import references
from procorch.client import Client
from procorch.objects import ApiError, Forbidden

NODE = User("system:node:n1", ("system:nodes",))
NEWCOMER = User("system:bootstrap:abcdef", ("system:bootstrappers",))
NOBODY = User("jane")
CORE, DEFAULT = "/api/v1", "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.fixture
async def populated(served):
    """Node n1 has pod `mine`, which refers to a config map, a secret and an account; n2 has `other`."""
    client = served.client
    for name in ("n1", "n2"):
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    for name, node in (("mine", "n1"), ("other", "n2")):
        about = {"name": f"{name}-account", "namespace": "default"}
        await client.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about})
        container = {"name": "c", "image": "host", "command": ["a"],
                     "envFrom": [{"configMapRef": {"name": f"{name}-config"}}]}  # fmt: skip
        await client.create({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": [container], "serviceAccountName": f"{name}-account",
                     "volumes": [{"name": "v", "secret": {"secretName": f"{name}-secret"}}]},
        })  # fmt: skip
    return served


@pytest.mark.parametrize(
    ("user", "method", "path", "query", "allowed"),
    [
        pytest.param(NODE, "GET", f"{CORE}/nodes/n1", {}, True, id="a node reads itself"),
        pytest.param(NODE, "PATCH", f"{CORE}/nodes/n1/status", {}, True, id="and writes its status"),
        pytest.param(NODE, "PATCH", f"{CORE}/nodes/n2/status", {}, False, id="not another's"),
        pytest.param(NODE, "DELETE", f"{CORE}/nodes/n1", {}, False, id="does not delete itself"),
        pytest.param(NODE, "GET", "/apis/node.k8s.io/v1/runtimeclasses/a", {}, True, id="reads how pods run"),
        pytest.param(NODE, "PUT", f"{LEASES}/kube-node-lease/leases/n1", {}, True, id="renews its lease"),
        pytest.param(NODE, "PUT", f"{LEASES}/kube-node-lease/leases/n2", {}, False, id="not another's lease"),
        pytest.param(NODE, "PUT", f"{LEASES}/kube-system/leases/n1", {}, False, id="nor one elsewhere"),
        pytest.param(NODE, "GET", f"{CORE}/pods", {"fieldSelector": "spec.nodeName=n1"}, True, id="lists its pods"),
        pytest.param(NODE, "GET", f"{CORE}/pods", {}, False, id="not all pods"),
        pytest.param(NODE, "GET", f"{CORE}/pods", {"fieldSelector": "spec.nodeName!=n1"}, False, id="nor the others"),
        pytest.param(NODE, "PATCH", f"{DEFAULT}/pods/mine/status", {}, True, id="writes its pods' status"),
        pytest.param(NODE, "PATCH", f"{DEFAULT}/pods/other/status", {}, False, id="not others' pods'"),
        pytest.param(NODE, "PATCH", f"{DEFAULT}/pods/mine", {}, False, id="not its pods' specs"),
        pytest.param(NODE, "DELETE", f"{DEFAULT}/pods/mine", {"dryRun": "All"}, True, id="removes its pods"),
        pytest.param(NODE, "POST", f"{DEFAULT}/pods/mine/binding", {}, False, id="does not bind"),
        pytest.param(NODE, "GET", f"{DEFAULT}/configmaps/mine-config", {}, True, id="reads its pods' config maps"),
        pytest.param(NODE, "GET", f"{DEFAULT}/configmaps/other-config", {}, False, id="not others' config maps"),
        pytest.param(NODE, "GET", f"{DEFAULT}/secrets/mine-secret", {}, True, id="reads its pods' secrets"),
        pytest.param(NODE, "GET", f"{DEFAULT}/secrets", {}, False, id="does not list secrets"),
        pytest.param(NODE, "GET", f"{DEFAULT}/secrets", {"fieldSelector": "metadata.name=mine-secret"}, True,
                     id="but watches the one by its name"),
        pytest.param(NODE, "PUT", f"{DEFAULT}/secrets/mine-secret", {}, False, id="does not write secrets"),
        pytest.param(NODE, "GET", f"{DEFAULT}/serviceaccounts/mine-account", {}, True, id="reads its pods' accounts"),
        pytest.param(NODE, "POST", f"{DEFAULT}/serviceaccounts/mine-account/token", {}, True, id="gets their tokens"),
        pytest.param(NODE, "POST", f"{DEFAULT}/serviceaccounts/other-account/token", {}, False, id="not others'"),
        pytest.param(NODE, "GET", f"{CORE}/services", {}, True, id="reads services"),
        pytest.param(NODE, "POST", f"{DEFAULT}/services", {}, False, id="does not make services"),
        pytest.param(NODE, "GET", "/apis/procorch.dev/v1/images", {}, True, id="reads images"),
        pytest.param(NODE, "GET", f"{CORE}/namespaces/default", {}, True, id="reads namespaces"),
        pytest.param(NODE, "GET", "/metrics", {}, False, id="does not read the API's metrics"),
        pytest.param(NEWCOMER, "POST", CSRS, {}, True, id="a newcomer asks for a certificate"),
        pytest.param(NEWCOMER, "PUT", f"{CSRS}/x/approval", {}, False, id="and does not approve it"),
        pytest.param(NEWCOMER, "GET", f"{CORE}/pods", {}, False, id="and sees nothing"),
        pytest.param(NOBODY, "GET", "/apis", {}, True, id="everybody discovers"),
        pytest.param(NOBODY, "GET", "/version", {}, True, id="and asks for the version"),
        pytest.param(NOBODY, "GET", f"{CORE}/pods", {}, False, id="and that is all"),
        pytest.param(User("system:kube-scheduler"), "GET", f"{CORE}/pods", {}, True, id="the loops may all"),
    ],
)  # fmt: skip
async def test_may_they(populated, user, method, path, query, allowed):
    try:
        await Client(LocalTransport(populated.api, user)).raw(method, path, query=query)
        code = 200
    except ApiError as error:
        code = error.code

    assert (code != 403) == allowed


async def test_the_words_of_a_refusal_are_kubernetes(served):
    client = Client(LocalTransport(served.api, NOBODY))

    with pytest.raises(Forbidden) as refused:
        await client.items("Pod", "default")
    assert refused.value.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    with pytest.raises(Forbidden, match=r'"x" is forbidden: .* cannot get resource "nodes" .* at the cluster scope'):
        await client.get("Node", "x")


async def test_a_node_makes_no_other_node(served):
    client = Client(LocalTransport(served.api, NODE))
    await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})

    with pytest.raises(Forbidden, match='node "n1" is not allowed to create node "n2"'):
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}})


def _mirror(uid, **changes):
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": True}
    metadata = {"name": "web-n1", "namespace": "default", "annotations": {"kubernetes.io/config.mirror": "x"}}
    metadata["ownerReferences"] = [owner | changes.pop("owner", {})]
    if changes.pop("plain", False):
        del metadata["annotations"]
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "host", "command": ["a"]}], **changes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"plain": True}, "can only create mirror pods"),
        ({"nodeName": "n2"}, "can only create pods with spec.nodeName set to itself"),
        ({"owner": {"name": "n2"}}, "can only create pods with an owner reference set to itself"),
        ({"owner": {"controller": False}}, "can only create pods with a controller owner reference set to itself"),
        ({"owner": {"uid": "other"}}, "node n1 UID mismatch: expected other"),
        ({"owner": {"blockOwnerDeletion": True}}, "must not set blockOwnerDeletion on an owner reference"),
        ({"serviceAccountName": "other-account"}, "can not create pods that reference a service account"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "other-secret"}}]}, "pods that reference secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "other-config"}}]}, "pods that reference configmaps"),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "pods that reference persistentvolumeclaims",
        ),
    ],
)
async def test_a_node_makes_mirrors_of_its_own_and_no_other_pods(populated, changes, why):
    node = Client(LocalTransport(populated.api, NODE))
    uid = (await populated.client.get("Node", "n1"))["metadata"]["uid"]

    with pytest.raises(Forbidden, match=why):
        await node.create(_mirror(uid, **changes))


async def test_by_a_mirror_a_node_reads_nothing(populated):
    """Else it could make one where it likes, and take the tokens of that namespace's accounts."""
    node = Client(LocalTransport(populated.api, NODE))
    await populated.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "else"}})
    uid = (await populated.client.get("Node", "n1"))["metadata"]["uid"]
    pod = _mirror(uid)
    pod["metadata"]["namespace"] = "else"
    await node.create(pod)

    with pytest.raises(Forbidden):
        await node.raw("POST", "/api/v1/namespaces/else/serviceaccounts/default/token", body=b"{}")
    assert "serviceAccountName" not in (await node.get("Pod", "else/web-n1"))["spec"]


async def test_what_was_a_nodes_pod_is_no_longer_when_it_is_gone(populated):
    client = Client(LocalTransport(populated.api, NODE))
    await populated.client.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine-secret", "namespace": "default"}}
    )
    await client.get("Secret", "default/mine-secret")
    await client.delete("Pod", "default/mine", grace=0)

    with pytest.raises(Forbidden):
        await client.get("Secret", "default/mine-secret")


async def test_a_certificate_request_says_who_made_it_whatever_it_claims(served):
    made = await Client(LocalTransport(served.api, NEWCOMER)).create({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "n1"},
        "spec": {"request": _csr(), "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                 "usages": ["client auth", "digital signature"], "username": "admin", "groups": ["system:masters"]},
    })  # fmt: skip

    assert made["spec"]["username"] == NEWCOMER.name
    assert made["spec"]["groups"] == ["system:bootstrappers", "system:authenticated"]


def _csr():
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
             x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1")]  # fmt: skip
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def test_references_are_found_wherever_a_pod_can_have_them():
    spec = {
        "volumes": [
            {"configMap": {"name": "a"}},
            {"projected": {"sources": [{"secret": {"name": "b"}}, {"configMap": {"name": "c"}}]}},
        ],
        "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "d", "key": "k"}}}]}],
        "imagePullSecrets": [{"name": "e"}],
    }

    assert references({"spec": spec}) == {
        ("configmaps", "a"), ("secrets", "b"), ("configmaps", "c"), ("secrets", "d"), ("secrets", "e"),
        ("serviceaccounts", "default"),
    }  # fmt: skip
