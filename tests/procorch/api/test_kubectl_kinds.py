"""The unmodified kubectl against the kinds of storage, networks, rights and shares: the API alone, no controllers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from procorch.kinds import KINDS
from tests.procorch.kinds.test_kind import RICH

GROUPS = ("rbac.authorization.k8s.io", "networking.k8s.io", "storage.k8s.io", "node.k8s.io", "scheduling.k8s.io",
          "flowcontrol.apiserver.k8s.io")  # fmt: skip
CORE = ("LimitRange", "ResourceQuota", "PersistentVolume", "PersistentVolumeClaim")
OURS = [kind for kind in KINDS if kind.group in GROUPS or (not kind.group and kind.name in CORE)]


#: kinds that kubectl 1.32 describes in versions that Kubernetes 1.37 does not serve any more
_OF_BETAS = ("ServiceCIDR", "IPAddress", "VolumeAttributesClass")


def word(kind: Any) -> str:
    """The kind as one says it to kubectl, whoever else has such a plural."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def example(kind: Any) -> Any:
    """The rich example of a kind, with a name."""
    name = {"IPAddress": "10.96.0.7"}.get(kind.name, "one")
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, **RICH[kind.name]}


async def test_every_kind_is_created_shown_described_and_deleted(kubectl):
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": [example(kind) for kind in OURS]})
    created = await kubectl("create", "-f", "-", stdin=whole)
    assert len(created.splitlines()) == len(OURS)
    assert all(line.endswith(" created") for line in created.splitlines())
    again = await kubectl("apply", "-f", "-", stdin=whole)
    assert len(again.splitlines()) == len(OURS)

    words = ",".join(word(kind) for kind in OURS)
    tables = (await kubectl("get", words, "-o", "wide")).split("\n\n")
    for kind, table in zip(OURS, tables, strict=True):
        head, row = table.strip().splitlines()
        assert [name for name in (column.name.upper() for column in kind.columns) if name not in head] == []
        assert row.split()[0].startswith(f"{kind.plural.removesuffix('es').removesuffix('s')[:5]}")
    found = json.loads(await kubectl("get", words, "-o", "json"))["items"]
    assert [one["kind"] for one in found] == [kind.name for kind in OURS]
    client = json.loads(await kubectl("version", "--client", "-o", "json"))["clientVersion"]
    old = int(client["minor"].rstrip("+")) < 36
    known = [word(kind) for kind in OURS if not old or kind.name not in _OF_BETAS]
    told = await kubectl("describe", ",".join(known))
    assert len([line for line in told.splitlines() if line.startswith("Name:")]) == len(known)
    assert len((await kubectl("label", words, "--all", "a=b")).splitlines()) == len(OURS)
    assert len((await kubectl("get", words, "-l", "a=b", "-o", "name")).splitlines()) == len(OURS)
    assert len((await kubectl("delete", words, "--all", "--wait=false")).splitlines()) == len(OURS)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.name)
async def test_every_kind_is_explained(kubectl, kind):
    told = await kubectl("explain", word(kind), "--recursive")

    assert f"KIND:       {kind.name}" in told or f"KIND:     {kind.name}" in told
    assert "metadata" in told


async def test_roles_and_bindings_are_made_by_hand(kubectl):
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,configmaps")
    await kubectl("create", "clusterrole", "nodes", "--verb=get", "--resource=nodes")
    await kubectl("create", "clusterrole", "health", "--verb=get", "--non-resource-url=/healthz")
    await kubectl("create", "clusterrole", "all", "--aggregation-rule=rbac.example.com/aggregate=true")
    await kubectl("create", "rolebinding", "read", "--role=reader", "--user=jane", "--serviceaccount=default:robot")
    await kubectl("create", "clusterrolebinding", "watch", "--clusterrole=nodes", "--group=team")

    wide = (await kubectl("get", "rolebindings", "-o", "wide")).splitlines()
    assert wide[0].split() == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert wide[1].split()[:2] + wide[1].split()[3:] == ["read", "Role/reader", "jane", "default/robot"]
    assert (await kubectl("get", "roles")).split()[:4] == ["NAME", "CREATED", "AT", "reader"]
    told = await kubectl("describe", "role", "reader")
    assert "configmaps" in told and "[get list]" in told
    changed = await kubectl.run("patch", "rolebinding", "read", "--type=merge", "-p", '{"roleRef":{"name":"other"}}')
    assert changed.code == 1 and "cannot change roleRef" in changed.err
    rule = await kubectl("get", "clusterrole", "all", "-o", "jsonpath={.aggregationRule.clusterRoleSelectors[0]}")
    assert json.loads(rule) == {"matchLabels": {"rbac.example.com/aggregate": "true"}}


async def test_quotas_priorities_and_ingresses_are_made_by_hand(kubectl):
    await kubectl("create", "quota", "q", "--hard=pods=2,cpu=500m", "--scopes=NotTerminating")
    await kubectl("create", "priorityclass", "gold", "--value=1000", "--description=first", "--global-default=true")
    await kubectl("create", "ingress", "web", "--class=c", "--rule=a.example.com/path*=web:8080,tls=cert")

    assert (await kubectl("get", "pc")).splitlines()[0].split() == [
        "NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY",
    ]  # fmt: skip
    row = (await kubectl("get", "ing")).splitlines()
    assert row[0].split() == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert row[1].split()[:5] == ["web", "c", "a.example.com", "80,", "443"]
    assert "NotTerminating" in await kubectl("describe", "quota", "q")
    assert (await kubectl("get", "quota")).splitlines()[0].split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    second = await kubectl.run("create", "priorityclass", "tin", "--value=1", "--global-default=true")
    assert "PriorityClass gold is already marked as default" in second.err
    await kubectl("run", "p", "--image=host", "--command", "--", "true")
    assert await kubectl("get", "pod", "p", "-o", "jsonpath={.spec.priorityClassName} {.spec.priority}") == "gold 1000"


async def test_who_am_i_and_may_i(kubectl):
    who = await kubectl("auth", "whoami")
    assert "kubernetes-admin" in who and "system:masters" in who
    assert (await kubectl("auth", "can-i", "delete", "pods")).strip() == "yes"
    assert (await kubectl.run("auth", "can-i", "delete", "pods", "--as", "jane")).out.strip() == "no"
    rights = await kubectl("auth", "can-i", "--list")
    assert rights.splitlines()[0].split()[0] == "Resources" and "*.*" in rights
    assert "selfsubjectreviews.authentication.k8s.io" in await kubectl("auth", "can-i", "--list", "--as", "jane")


async def test_the_parts_of_the_cluster_are_healthy(kubectl):
    rows = (await kubectl("get", "cs")).splitlines()

    assert rows[0].split() == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert [row.split() for row in rows[1:]] == [
        ["controller-manager", "Healthy", "ok"], ["etcd-0", "Healthy", "ok"], ["scheduler", "Healthy", "ok"],
    ]  # fmt: skip


async def test_a_certificate_request_is_approved_and_denied_by_hand(kubectl):
    from tests.procorch.kinds.test_certificatesigningrequest import request

    for name in ("good", "bad"):
        asked = request()
        asked["metadata"]["name"] = name
        await kubectl("create", "-f", "-", stdin=json.dumps(asked))

    await kubectl("certificate", "approve", "good")
    await kubectl("certificate", "deny", "bad")

    table = await kubectl("get", "csr")
    assert [row.split()[-1] for row in table.splitlines()[1:]] == ["Denied", "Approved"]
    twice = await kubectl.run("certificate", "deny", "good")
    assert twice.code == 1


async def test_a_token_is_made_for_an_account_and_known_again(kubectl):
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot", "--audience=vault", "--duration=20m")).strip()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
              "spec": {"token": token, "audiences": ["vault"]}}  # fmt: skip

    answer = json.loads(await kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))

    assert answer["status"]["user"]["username"] == "system:serviceaccount:default:robot"


async def test_a_status_is_a_subresource_of_its_own(kubectl):
    await kubectl("create", "-f", "-", stdin=json.dumps(example(KINDS["Ingress"])))
    patch = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, "spec": {"ingressClassName": "other"}}

    await kubectl("patch", "ingress", "one", "--subresource=status", "--type=merge", "-p", json.dumps(patch))

    found = json.loads(await kubectl("get", "ingress", "one", "-o", "json"))
    assert (found["spec"]["ingressClassName"], found["metadata"]["generation"]) == ("c", 1)
    assert "192.0.2.1" in await kubectl("get", "ingress", "one")
    wrong = {"status": {"loadBalancer": {"ingress": [{"ip": "here"}]}}}
    bad = await kubectl.run("patch", "ingress", "one", "--subresource=status", "--type=merge", "-p", json.dumps(wrong))
    assert "status.loadBalancer.ingress[0].ip: Invalid value" in bad.err


async def test_a_pod_is_resized_and_looked_into(kubectl):
    await kubectl(
        "run",
        "p",
        "--image=host",
        "--overrides",
        json.dumps(
            {
                "spec": {
                    "containers": [
                        {
                            "name": "p",
                            "image": "host",
                            "command": ["true"],
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                        }
                    ]
                }
            }
        ),
    )
    wanted = {"spec": {"containers": [{"name": "p", "resources": {
        "limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2", "memory": "1Gi"}}}]}}  # fmt: skip

    await kubectl("patch", "pod", "p", "--subresource=resize", "-p", json.dumps(wanted))
    await kubectl("debug", "p", "--image=host", "--container=look", "--profile=general", "--attach=false",
                  "--", "id")  # fmt: skip

    found = json.loads(await kubectl("get", "pod", "p", "-o", "json", "--show-managed-fields"))
    writers = {(row["manager"], row.get("subresource")) for row in found["metadata"]["managedFields"]}
    assert writers >= {("kubectl-patch", "resize"), ("kubectl", "ephemeralcontainers")}
    assert found["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "2"
    assert [one["name"] for one in found["spec"]["ephemeralContainers"]] == ["look"]
    assert found["metadata"]["generation"] == 3
    plain = await kubectl.run("patch", "pod", "p", "-p", json.dumps(wanted).replace('"2"', '"3"'))
    assert "pod updates may not change fields other than" in plain.err


async def test_the_cluster_is_dumped_whole(kubectl):
    dumped = await kubectl("cluster-info", "dump", "--output-directory=-", "--all-namespaces")

    assert '"kind": "DeploymentList"' in dumped and '"kind": "PodList"' in dumped
