"""Unmodified helm, 3 and 4: a chart made by `helm create` is installed, upgraded, rolled back, tested, uninstalled."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import helm
from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(400)]

# What the chart's two image names mean here: a web server, and a program that fetches a page.
IMAGES = """
apiVersion: procorch.dev/v1
kind: Image
metadata: {name: helm-nginx}
spec: {patterns: ["nginx:*"], root: host, entrypoint: [python3, -m, http.server, "80", --directory, /usr/share/doc]}
---
apiVersion: procorch.dev/v1
kind: Image
metadata: {name: helm-busybox}
spec: {patterns: ["busybox", "busybox:*"], root: host}
"""
#: the release's pods, without the one that tests it
PODS = "app.kubernetes.io/instance=shop,pod-template-hash"


class Helm:
    """One helm in one namespace, with a chart of its own making. number: 3 or 4. Raises helm.Missing."""

    def __init__(self, cluster: Cluster, namespace: str, number: int) -> None:
        self.cluster, self.namespace, self.number = cluster, namespace, number
        self.program = helm.program(number)
        self.chart = cluster.data_dir.parent / namespace / "web"
        self.chart.parent.mkdir()

    def __call__(self, *argv: object, code: int = 0) -> str:
        """What it printed; with code=1 what it printed as its error."""
        done = self.cluster.run(self.program, *argv, "--namespace", self.namespace, timeout=150)
        assert done.returncode == code, f"helm {' '.join(map(str, argv))}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def releases(self) -> list[tuple[str, int, str]]:
        flags = ["--all"] if self.number == 3 else []  # of helm 4 it is the rule
        rows = json.loads(self("list", *flags, "-o", "json"))
        return [(row["name"], int(row["revision"]), row["status"]) for row in rows]


def applies(cluster: Cluster) -> bool:
    """Whether the API takes server-side apply."""
    first = IMAGES.partition("---")[0]
    done = cluster.run(cluster.program, "apply", "--server-side", "--dry-run=server", "-f", "-", input=first)
    return "UnsupportedMediaType" not in done.stderr and "unknown format" not in done.stderr


@pytest.fixture(params=[3, 4], ids=["helm-3", "helm-4"])
def made(request: pytest.FixtureRequest, cluster: Cluster, namespace: str) -> Iterator[Helm]:
    """The chart as helm makes it. There is no DNS for pods yet: its test finds the Service by its variables."""
    cluster.kubectl("apply", "-f", "-", input=IMAGES)
    if request.param == 4 and not applies(cluster):
        pytest.skip("waits for server-side apply, by which helm 4 writes")
    try:
        found = Helm(cluster, namespace, request.param)
    except helm.Missing as error:
        pytest.skip(str(error))
    found("create", found.chart)
    test = found.chart / "templates/tests/test-connection.yaml"
    lines = [line for line in test.read_text().splitlines() if not line.strip().startswith(("command:", "args:"))]
    at = next(index for index, line in enumerate(lines) if "image: busybox" in line) + 1
    command = "curl -sS -f --noproxy '*' http://$WEB_SERVICE_HOST:$WEB_SERVICE_PORT/ && echo fetched"
    lines.insert(at, f'      command: [sh, -c, "{command}"]')
    test.write_text("\n".join(lines) + "\n")
    yield found


def options(found: Helm) -> list[str]:
    """The chart as it is, with its Ingress."""
    return [str(found.chart), "--set", "fullnameOverride=web,ingress.enabled=true"]


def test_a_release_lives_and_ends(made: Helm) -> None:
    cluster, namespace = made.cluster, made.namespace
    chart = options(made)
    mine, pods = ("-n", namespace, "-l", "app.kubernetes.io/instance=shop"), ("-n", namespace, "-l", PODS)

    assert "STATUS: deployed" in made("install", "shop", *chart, "--wait", "--timeout", "60s")
    cluster.ready(1, *pods)
    assert made.releases() == [("shop", 1, "deployed")]
    assert "a name that is still in use" in made("install", "shop", *chart, code=1)
    address = cluster.path("{.spec.clusterIP}:{.spec.ports[0].port}", "service", "web", "-n", namespace)
    assert cluster.fetch(f"http://{address}/").returncode == 0
    assert "TEST SUITE:     web-test-connection" in made("test", "shop", "--timeout", "60s", "--logs")

    made("upgrade", "shop", *chart, "--set", "replicaCount=2,service.type=NodePort", "--wait", "--timeout", "60s")
    cluster.ready(2, *pods)
    assert cluster.path("{.spec.type}", "service", "web", "-n", namespace) == "NodePort"
    assert "replicaCount: 2" in made("get", "values", "shop")
    assert made("get", "manifest", "shop").count("kind: ") >= 3

    made("rollback", "shop", "1", "--wait", "--timeout", "60s")
    cluster.ready(1, *pods)
    assert cluster.path("{.spec.type}", "service", "web", "-n", namespace) == "ClusterIP"
    history = json.loads(made("history", "shop", "-o", "json"))
    assert [row["status"] for row in history] == ["superseded", "superseded", "deployed"]

    made("uninstall", "shop", "--wait", "--timeout", "60s")
    assert made.releases() == []
    kinds = "services,serviceaccounts,secrets,deployments,replicasets,ingresses"
    assert cluster.kubectl("get", kinds, *mine, "-o", "name") == ""
    cluster.ready(0, *pods)


def test_a_dry_run_leaves_nothing_and_says_what_would_be(made: Helm) -> None:
    chart = options(made)
    shown = made("install", "shop", *chart, "--dry-run=server")

    assert "kind: ServiceAccount" in shown and made.releases() == []
    assert made.cluster.kubectl("get", "services,secrets", "-n", made.namespace, "-o", "name") == ""


def test_an_upgrade_that_the_api_refuses_is_told_and_the_next_one_mends_it(made: Helm) -> None:
    chart = options(made)
    made("upgrade", "--install", "shop", *chart, "--wait", "--timeout", "60s")

    assert "spec.ports[0].port" in made("upgrade", "shop", *chart, "--set", "service.port=70000", code=1)
    assert made.releases()[0][2] == "failed"
    made("upgrade", "shop", *chart, "--set", "service.type=NodePort", "--wait", "--timeout", "60s")
    assert made.releases() == [("shop", 3, "deployed")]
    made("uninstall", "shop", "--wait", "--timeout", "60s")


def test_the_whole_chart_is_waited_for_and_a_failed_upgrade_undone(made: Helm) -> None:
    """The chart with its autoscaler and Ingress; an upgrade whose pods never run goes back by itself."""
    cluster, namespace = made.cluster, made.namespace
    undo = "--atomic" if made.number == 3 else "--rollback-on-failure"
    chart = [*options(made), "--set", "autoscaling.enabled=true"]
    mine, pods = ("-n", namespace, "-l", "app.kubernetes.io/instance=shop"), ("-n", namespace, "-l", PODS)

    made("install", "shop", *chart, "--wait", undo, "--timeout", "90s")
    kinds = "deployments,horizontalpodautoscalers,ingresses,services,serviceaccounts"
    found = cluster.kubectl("get", kinds, *mine, "-o", "name").split()
    assert sorted(name.partition("/")[0] for name in found) == [
        "deployment.apps", "horizontalpodautoscaler.autoscaling", "ingress.networking.k8s.io", "service",
        "serviceaccount",
    ]  # fmt: skip
    assert cluster.path("{.status.conditions[?(@.type=='Available')].status}", "deploy", "web", *mine[:2]) == "True"

    failed = made("upgrade", "shop", *chart, "--set", "image.tag=none,image.repository=nowhere.example.com/web",
                  "--wait", undo, "--timeout", "15s", code=1)  # fmt: skip

    assert "rolled back" in failed.lower() or "rollback" in failed.lower(), failed
    statuses = [row["status"] for row in json.loads(made("history", "shop", "-o", "json"))]
    assert statuses == ["superseded", "failed", "deployed"]
    assert "nowhere" not in cluster.path("{.spec.template.spec.containers[0].image}", "deploy", "web", *mine[:2])
    cluster.ready(1, *pods, seconds=60)
    made("uninstall", "shop", "--wait", "--timeout", "60s")
    cluster.ready(0, *pods)
