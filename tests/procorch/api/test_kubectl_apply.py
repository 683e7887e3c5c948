"""The unmodified kubectl applies on the server's side, and says by whom fields are managed."""

from __future__ import annotations

import json

RC = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 8080}]}
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {%s}
"""
SERVER_SIDE = ("apply", "--server-side", "-f", "-")


async def managers(kubectl, what):
    """manager → (operation, subresource, fields)"""
    found = json.loads(await kubectl("get", what, "-o", "json", "--show-managed-fields"))
    return {
        row["manager"]: (row["operation"], row.get("subresource", ""), row["fieldsV1"])
        for row in found["metadata"].get("managedFields", ())
    }


async def test_new_again_changed_and_a_field_less(kubectl):
    assert await kubectl(*SERVER_SIDE, stdin=CONFIG_MAP % "a: one, b: one") == "configmap/settings serverside-applied\n"
    version = ("get", "cm", "settings", "-o", "jsonpath={.metadata.resourceVersion}")
    before = await kubectl(*version)
    await kubectl(*SERVER_SIDE, stdin=CONFIG_MAP % "a: one, b: one")
    assert await kubectl(*version) == before
    await kubectl(*SERVER_SIDE, stdin=CONFIG_MAP % "a: two")

    assert await kubectl("get", "cm", "settings", "-o", "jsonpath={.data}") == '{"a":"two"}'
    assert await managers(kubectl, "cm/settings") == {"kubectl": ("Apply", "", {"f:data": {"f:a": {}}})}
    assert "managedFields" not in await kubectl("get", "cm", "settings", "-o", "yaml")


async def test_a_conflict_names_the_manager_and_is_overcome_by_force(kubectl):
    await kubectl(*SERVER_SIDE, "--field-manager=first", stdin=CONFIG_MAP % "a: one, b: one")

    refused = await kubectl.run(*SERVER_SIDE, stdin=CONFIG_MAP % "a: two, b: two")
    forced = await kubectl(*SERVER_SIDE, "--force-conflicts", stdin=CONFIG_MAP % "a: two")

    assert refused.code == 1 and refused.err.startswith(
        'error: Apply failed with 2 conflicts: conflicts with "first":\n- .data.a\n- .data.b\n'
        "Please review the fields above--they currently have other managers."
    )
    assert forced == "configmap/settings serverside-applied\n"
    assert await managers(kubectl, "cm/settings") == {
        "first": ("Apply", "", {"f:data": {"f:b": {}}}),
        "kubectl": ("Apply", "", {"f:data": {"f:a": {}}}),
    }


async def test_diff_shows_what_either_apply_would_do(kubectl):
    for flags in ((), ("--server-side",)):
        missing = await kubectl.run("diff", *flags, "-f", "-", stdin=CONFIG_MAP % "a: one")
        assert missing.code == 1 and "+  a: one" in missing.out, missing.err
    await kubectl(*SERVER_SIDE, stdin=CONFIG_MAP % "a: one, b: one")

    same = await kubectl.run("diff", "--server-side", "-f", "-", stdin=CONFIG_MAP % "a: one, b: one")
    other = await kubectl.run("diff", "--server-side", "-f", "-", stdin=CONFIG_MAP % "a: two")
    client_side = await kubectl.run("diff", "-f", "-", stdin=CONFIG_MAP % "a: two")

    assert (same.code, same.out) == (0, "")
    unchanged = await kubectl.run("diff", "-f", "-", stdin=CONFIG_MAP % "a: one, b: one")
    assert (unchanged.code, unchanged.out) == (0, ""), "an annotation that would be added is not shown by kubectl"
    changes = [line for line in other.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert other.code == 1 and changes == ["-  a: one", "-  b: one", "+  a: two"]
    assert client_side.code == 1 and "+  a: two" in client_side.out


async def test_a_dry_run_on_the_server_applies_nothing(kubectl):
    shown = await kubectl(*SERVER_SIDE, "--dry-run=server", "-o", "json", stdin=CONFIG_MAP % "a: one")

    assert json.loads(shown)["data"] == {"a": "one"}
    assert (await kubectl.run("get", "cm", "settings")).code == 1


async def test_from_client_side_apply_to_the_servers_and_back(kubectl):
    await kubectl("apply", "-f", "-", stdin=RC)
    assert list(await managers(kubectl, "rc/web")) == ["kubectl-client-side-apply"]

    await kubectl(*SERVER_SIDE, stdin=RC.replace("replicas: 2", "replicas: 3"))
    moved = await managers(kubectl, "rc/web")
    await kubectl(*SERVER_SIDE, stdin=RC.replace("  replicas: 2\n", ""))
    given_up = await managers(kubectl, "rc/web")
    assert await kubectl("apply", "-f", "-", stdin=RC.replace("nginx", "nginx:2")) == (
        "replicationcontroller/web configured\n"
    )

    assert "kubectl-client-side-apply" not in moved
    assert moved["kubectl"][:2] == ("Apply", "") and "f:replicas" in moved["kubectl"][2]["f:spec"]
    assert "f:replicas" not in given_up["kubectl"][2]["f:spec"]
    back = await managers(kubectl, "rc/web")
    assert back["kubectl-client-side-apply"][0] == "Update"
    assert await kubectl("get", "rc", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "nginx:2"


async def test_who_scales_manages_the_replicas_and_the_applier_hears_of_it(kubectl):
    await kubectl(*SERVER_SIDE, stdin=RC)
    await kubectl("scale", "rc", "web", "--replicas=5")

    refused = await kubectl.run(*SERVER_SIDE, "--field-manager=deployer", stdin=RC)
    left = await kubectl(*SERVER_SIDE, stdin=RC.replace("  replicas: 2\n", ""))

    said = 'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using v1: .spec.replicas'
    assert said in refused.err
    assert "serverside-applied" in left
    assert await kubectl("get", "rc", "web", "-o", "jsonpath={.spec.replicas}") == "5"


async def test_the_other_verbs_name_their_manager(kubectl):
    name = "--field-manager=me"
    await kubectl("create", name, "-f", "-", stdin=RC)
    await kubectl("label", name, "rc", "web", "a=b")
    await kubectl("annotate", "rc", "web", "note=text")
    await kubectl("patch", "--field-manager=patcher", "rc", "web", "-p", '{"spec":{"minReadySeconds":1}}')
    await kubectl("edit", "--field-manager=editor", "rc", "web", env={"KUBE_EDITOR": "sed -i 's/: nginx/: nginx:2/'"})
    found = await managers(kubectl, "rc/web")

    assert set(found) == {"me", "kubectl-annotate", "patcher", "editor"}
    assert found["me"][2]["f:metadata"]["f:labels"].keys() == {".", "f:app", "f:a"}
    assert found["patcher"][2] == {"f:spec": {"f:minReadySeconds": {}}}
    container = found["editor"][2]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    assert container == {"f:image": {}}

    shown = json.loads(await kubectl("get", "rc", "web", "-o", "json"))
    shown["spec"]["minReadySeconds"] = 2
    await kubectl("replace", "--field-manager=replacer", "-f", "-", stdin=json.dumps(shown))
    assert (await managers(kubectl, "rc/web"))["replacer"][2] == {"f:spec": {"f:minReadySeconds": {}}}


async def test_a_field_that_there_is_not_is_named(kubectl):
    wrong = await kubectl.run(*SERVER_SIDE, stdin=RC.replace("replicas:", "replica:"))

    assert wrong.code == 1
    assert "failed to create typed patch object (default/web; /v1, Kind=ReplicationController): " in wrong.err
    assert ".spec.replica: field not declared in schema" in wrong.err


async def test_the_status_is_applied_as_a_subresource(kubectl):
    await kubectl(*SERVER_SIDE, stdin=RC)
    status = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web}\nstatus: {replicas: 7}\n"
    await kubectl(*SERVER_SIDE, "--subresource=status", "--field-manager=loop", stdin=status)

    assert await kubectl("get", "rc", "web", "-o", "jsonpath={.spec.replicas}/{.status.replicas}") == "2/7"
    assert (await managers(kubectl, "rc/web"))["loop"] == ("Apply", "status", {"f:status": {"f:replicas": {}}})
