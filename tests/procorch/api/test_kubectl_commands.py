"""The unmodified kubectl's commands one by one: what they print, and what the API then has.

Source: kubernetes test/e2e/kubectl (what of it needs neither pods that run nor custom resources) and test/cmd.
"""

from __future__ import annotations

import json

import pytest
import yaml

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {app: x}}\ndata: {k: v}\n"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:%s"}]}
"""
RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: %sRole
metadata: {name: reader%s}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: %sRoleBinding
metadata: {name: reads%s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %sRole, name: reader}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
"""
#: kubectl create … → what it prints when the server tries it, kind by kind
CREATED = [
    ("namespace team", "namespace/team"),
    ("configmap c --from-literal=a=b", "configmap/c"),
    ("secret generic s --from-literal=a=b", "secret/s"),
    ("secret docker-registry r --docker-server=a.b --docker-username=u --docker-password=p", "secret/r"),
    ("serviceaccount robot", "serviceaccount/robot"),
    ("quota q --hard=pods=1000000,services=1000000", "resourcequota/q"),
    ("quota q --hard=pods=1000000 --scopes=BestEffort,NotTerminating", "resourcequota/q"),
    ("service clusterip s --tcp=80:8080", "service/s"),
    ("service clusterip s --clusterip=None", "service/s"),
    ("service nodeport s --tcp=80:8080 --node-port=30080", "service/s"),
    ("service loadbalancer s --tcp=80", "service/s"),
    ("service externalname s --external-name=a.example.com", "service/s"),
    ("deployment d --image=web:1 --replicas=2 --port=80 -- run", "deployment.apps/d"),
    ("job j --image=web:1 -- date", "job.batch/j"),
    ("cronjob j --image=web:1 --schedule=*/5_*_*_*_* -- date", "cronjob.batch/j"),
    ("poddisruptionbudget p --selector=app=x --min-available=50%", "poddisruptionbudget.policy/p"),
    ("priorityclass p --value=10 --preemption-policy=Never", "priorityclass.scheduling.k8s.io/p"),
    ("ingress i --rule=a.example.com/b*=c:80,tls=d --annotation=a=b", "ingress.networking.k8s.io/i"),
    ("role r --verb=get,list --resource=pods,deployments.apps", "role.rbac.authorization.k8s.io/r"),
    ("clusterrole r --verb=get --non-resource-url=/healthz", "clusterrole.rbac.authorization.k8s.io/r"),
    ("rolebinding r --clusterrole=view --user=jane", "rolebinding.rbac.authorization.k8s.io/r"),
    ("clusterrolebinding r --clusterrole=view --group=team", "clusterrolebinding.rbac.authorization.k8s.io/r"),
]  # fmt: skip


async def test_whatever_create_can_make_the_server_takes(kubectl):
    for argv, name in CREATED:
        words = ["create", *(word.replace("_", " ") for word in argv.split())]
        at = words.index("--") if "--" in words else len(words)
        assert await kubectl(*words[:at], "--dry-run=server", *words[at:]) == f"{name} created (server dry run)\n"

    refused = await kubectl.run("create", "quota", "q", "--hard=pods=1", "--scopes=Foo")
    assert refused.code == 1 and 'spec.scopes: Invalid value: ["Foo"]: unsupported scope' in refused.err


async def test_a_set_of_objects_is_applied_and_what_left_it_is_pruned(kubectl):
    """prune with applyset should apply and prune objects."""
    apply = ("-n", "default", "apply", "--prune", "--applyset=applyset1", "-f", "-")
    on = {"KUBECTL_APPLYSET": "true"}
    names = ("get", "configmaps", "-o", "name")
    both = "---\n".join(CONFIG_MAP % name for name in ("cm1", "cm2"))

    first = await kubectl(*apply, stdin=both, env=on)
    assert (await kubectl(*names)).split() == ["configmap/cm1", "configmap/cm2"]
    for _ in range(2):
        said = await kubectl(*apply, stdin=CONFIG_MAP % "cm1", env=on)
        assert (await kubectl(*names)).split() == ["configmap/cm1"]
        assert "configmap/cm1 serverside-applied" in said or "configmap/cm1 unchanged" in said

    assert "configmap/cm2 created" in first or "configmap/cm2 serverside-applied" in first
    parent = json.loads(await kubectl("get", "secret", "applyset1", "-o", "json"))["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"


async def test_pruning_by_label_deletes_what_is_not_in_the_file(kubectl):
    both = "---\n".join(CONFIG_MAP % name for name in ("one", "two"))
    await kubectl("apply", "-f", "-", stdin=both)

    said = await kubectl(
        "apply", "--prune", "-l", "app=x", "--prune-allowlist=core/v1/ConfigMap", "-f", "-", stdin=CONFIG_MAP % "one"
    )

    assert said == "configmap/one unchanged\nconfigmap/two pruned\n"


async def test_what_was_applied_last_is_shown_and_set(kubectl):
    """apply set/view last-applied."""
    first, second, third = (DEPLOYMENT % one for one in (("replicas: 2", 1), ("", 1), ("", 2)))
    view = ("apply", "view-last-applied", "-f", "-", "-o", "json")
    await kubectl("apply", "-f", "-", stdin=first)
    assert '"replicas": 2' in await kubectl(*view, stdin=first)

    assert "configured" in await kubectl("apply", "set-last-applied", "-f", "-", stdin=second)
    assert '"replicas"' not in await kubectl(*view, stdin=first)
    await kubectl("scale", "deployment", "web", "--replicas=3")
    await kubectl("apply", "-f", "-", stdin=third)

    (found,) = json.loads(await kubectl("get", "-f", "-", "-o", "json", stdin=third))["items"]
    assert found["spec"]["replicas"] == 3
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"


async def test_a_service_that_is_applied_keeps_what_it_was_given(kubectl):
    """apply should reuse port when apply to an existing SVC."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: NodePort, ports: [{port: 80}]}\n"
    given = ("get", "service", "s", "-o", "jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort}")
    await kubectl("create", "-f", "-", stdin=service)
    before = await kubectl(*given)

    applied = await kubectl.run("apply", "-f", "-", stdin=service)

    assert applied.out == "service/s configured\n"
    assert "missing the kubectl.kubernetes.io/last-applied-configuration annotation" in applied.err
    assert await kubectl(*given) == before


async def test_fields_of_metadata_that_there_are_not_are_named(kubectl):
    """validation should detect unknown metadata fields of a typed object."""
    odd = (DEPLOYMENT % ("", 1)).replace("metadata: {name: web,", "metadata: {unknownMeta: foo, name: web,")

    refused = await kubectl.run("create", "-f", "-", stdin=odd)
    warned = await kubectl.run("create", "--validate=warn", "--dry-run=server", "-f", "-", stdin=odd)
    ignored = await kubectl.run("create", "--validate=ignore", "--dry-run=server", "-f", "-", stdin=odd)

    assert refused.code == 1 and 'unknown field "metadata.unknownMeta"' in refused.err
    assert '"metadata.namespace"' not in refused.err
    assert (warned.code, warned.err) == (0, 'Warning: unknown field "metadata.unknownMeta"\n')
    assert (ignored.code, ignored.err) == (0, "")


@pytest.mark.parametrize("whole", ["", "Cluster"])
async def test_rights_are_reconciled(kubectl, whole):
    place = "" if whole else ", namespace: default"
    rights = RIGHTS % (whole, place, whole, place, whole)
    kinds = [f"{whole.lower()}role{part}.rbac.authorization.k8s.io" for part in ("", "binding")]

    made = await kubectl.run("auth", "reconcile", "-f", "-", stdin=rights)
    again = await kubectl.run("auth", "reconcile", "-f", "-", stdin=rights)
    more = rights.replace("verbs: [get]", "verbs: [get, list]")
    missing = await kubectl.run("auth", "reconcile", "-f", "-", "--remove-extra-permissions", stdin=more)

    printed = f"{kinds[0]}/reader reconciled\n{kinds[1]}/reads reconciled\n"
    assert (made.code, made.out, again.out, missing.out) == (0, printed, printed, printed)
    assert "reconciliation required create" in made.err and again.err == ""
    assert "missing rules added" in missing.err
    assert "list" in await kubectl("get", f"{whole}Role", "reader", "-o", "jsonpath={.rules[*].verbs}")


async def test_waiting(kubectl):
    """wait should ignore not found error with --for=delete; --for=create, condition and jsonpath."""
    assert await kubectl("wait", "--for=delete", "pod/doesnotexist") == ""
    assert await kubectl("wait", "--for=delete", "pod", "--selector=app.kubernetes.io/name=noexist") == ""
    creation = await kubectl.start("wait", "--for=create", "configmap/late", "--timeout=30s")
    await kubectl("create", "-f", "-", stdin="---\n".join(CONFIG_MAP % name for name in ("late", "one")))
    assert (await creation.communicate())[0] == b"configmap/late condition met\n"
    change = await kubectl.start("wait", "--for=jsonpath={.data.k}=w", "configmap/one", "--timeout=30s")
    await kubectl("patch", "configmap", "one", "-p", '{"data":{"k":"w"}}')
    assert (await change.communicate())[0] == b"configmap/one condition met\n"
    gone = await kubectl.start("wait", "--for=delete", "configmap/one", "--timeout=30s")
    await kubectl("delete", "configmap", "one")
    assert (await gone.communicate())[1] in (b"", b'Error from server (NotFound): configmaps "one" not found\n')
    never = await kubectl.run("wait", "--for=condition=Never", "configmap/late", "--timeout=1s")
    assert never.code == 1 and "timed out waiting for the condition on configmaps/late" in never.err


async def test_deleting(kubectl):
    """delete interactive based on user confirmation input; by label, by name, all, dry, and what is not there."""
    await kubectl("create", "-f", "-", stdin="---\n".join(CONFIG_MAP % name for name in ("a", "b", "c", "d")))
    no = await kubectl("delete", "--interactive", "configmap", "a", stdin="n")
    assert "You are about to delete the following 1 resource(s):" in no
    assert "configmap/a" in no and "deletion is cancelled" in no
    yes = await kubectl("delete", "--interactive", "configmap", "a", stdin="y")
    assert 'configmap "a" deleted' in yes

    dry = await kubectl("delete", "configmap", "b", "--dry-run=server")
    assert dry.startswith('configmap "b" deleted') and "(server dry run)" in dry
    assert (await kubectl("delete", "configmap", "b", "-o", "name")) == "configmap/b\n"
    missing = await kubectl.run("delete", "configmap", "b")
    assert (missing.code, missing.err) == (1, 'Error from server (NotFound): configmaps "b" not found\n')
    assert await kubectl("delete", "configmap", "b", "--ignore-not-found") == ""
    by_name = await kubectl("delete", "configmap", "--field-selector=metadata.name=c")
    assert by_name.startswith('configmap "c" deleted')
    assert (await kubectl("delete", "configmap", "-l", "app=x")).startswith('configmap "d" deleted')
    assert "No resources found" in await kubectl("delete", "configmap", "--all")


async def test_every_output_of_get(kubectl):
    await kubectl("create", "-f", "-", stdin="---\n".join(CONFIG_MAP % name for name in ("two", "one")))
    get = ("get", "configmaps", "-l", "app=x")

    assert await kubectl(*get, "-o", "name") == "configmap/one\nconfigmap/two\n"
    assert await kubectl(*get, "-o", "custom-columns=N:.metadata.name,K:.data.k,M:.data.no") == (
        "N     K     M\none   v     <none>\ntwo   v     <none>\n"
    )
    assert await kubectl(*get, "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.k};{end}") == "one=v;two=v;"
    assert json.loads(await kubectl(*get, "-o", "jsonpath-as-json={.items[*].data}")) == [{"k": "v"}, {"k": "v"}]
    template = "go-template={{range .items}}{{.metadata.name}} {{end}}"
    assert await kubectl(*get, "-o", template) == "one two "
    as_yaml = yaml.safe_load(await kubectl(*get, "-o", "yaml"))
    assert as_yaml == json.loads(await kubectl(*get, "-o", "json")) and as_yaml["kind"] == "List"
    backwards = await kubectl(*get, "--sort-by=.metadata.creationTimestamp", "-o", "name")
    assert set(backwards.split()) == {"configmap/one", "configmap/two"}
    assert (await kubectl(*get, "--no-headers")).split("\n")[0].split()[:2] == ["one", "1"]
    plain = (await kubectl(*get, "--server-print=false")).splitlines()
    assert plain[0].split() == ["NAME", "AGE"] and [row.split()[0] for row in plain[1:]] == ["one", "two"]
    assert len((await kubectl(*get, "--chunk-size=1")).splitlines()) == 3
    assert await kubectl("get", "configmap", "none", "--ignore-not-found") == ""
    raw = json.loads(await kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?labelSelector=app%3Dx"))
    assert [row["metadata"]["name"] for row in raw["items"]] == ["one", "two"]
    seen = await kubectl(*get, "-w", "--output-watch-events", "--request-timeout=1s", "--no-headers")
    assert [line.split()[:2] for line in seen.splitlines()] == [["ADDED", "one"], ["ADDED", "two"]]


async def test_what_the_server_has_is_listed(kubectl):
    head, *rows = (await kubectl("api-resources", "-o", "wide")).splitlines()
    assert head.split() == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES"]
    pods = next(row.split() for row in rows if row.startswith("pods "))
    verbs = "create,delete,deletecollection,get,list,patch,update,watch"
    assert pods == ["pods", "po", "v1", "true", "Pod", verbs, "all"]
    apps = await kubectl("api-resources", "--api-group=apps", "--verbs=list,get", "--namespaced", "-o", "name")
    assert apps.split() == [f"{one}.apps" for one in (
        "controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets",
    )]  # fmt: skip
    names = await kubectl("get", "componentstatuses", "-o", "jsonpath={.items[*].metadata.name}")
    for name in names.split():
        assert name in await kubectl("get", "componentstatuses", name)
    for path, word in (("/livez?verbose", "livez check passed"), ("/readyz?verbose", "readyz check passed")):
        assert word in await kubectl("get", "--raw", path)
    assert (await kubectl.run("top", "nodes")).err == "error: metrics not available yet\n"  # there is no node


async def test_a_token_is_for_whom_and_how_long_it_was_asked(kubectl):
    await kubectl("create", "serviceaccount", "robot")
    token = await kubectl("create", "token", "robot", "--duration=20m", "--audience=a", "-o", "json")
    made = json.loads(token)
    assert made["spec"]["audiences"] == ["a"] and made["spec"]["expirationSeconds"] == 1200
    nobody = await kubectl.run("create", "token", "nobody")
    assert (nobody.code, nobody.err) == (1, 'error: failed to create token: serviceaccounts "nobody" not found\n')
    unbound = await kubectl.run("create", "token", "robot", "--bound-object-kind=Pod", "--bound-object-name=none")
    assert unbound.err == 'error: failed to create token: pods "none" not found\n'


async def test_labels_and_annotations_are_listed_and_guarded_by_a_version(kubectl):
    await kubectl("create", "-f", "-", stdin=CONFIG_MAP % "one")

    assert await kubectl("label", "cm", "one", "--list") == "app=x\n"
    stale = await kubectl.run("label", "cm", "one", "a=b", "--resource-version=1")
    assert stale.code == 1 and "Operation cannot be fulfilled" in stale.err
    assert await kubectl("label", "cm", "--all", "a=b", "-o", "name") == "configmap/one\n"
    assert (await kubectl.run("label", "cm", "one", "a=c")).err == (
        "error: 'a' already has a value (b), and --overwrite is false\n"
    )
