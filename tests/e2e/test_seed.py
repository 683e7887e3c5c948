"""The manifests of the first notes, unmodified: a database, web servers that read it, a port on the node."""

from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, SEED, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(240)]

EXAMPLES = ROOT / "examples/seed"


def test_the_three_manifests_run_unmodified(cluster: Cluster) -> None:
    """S023–S034, S129–S133, S154, S155: create, the variables, the page by ClusterIP and by the node's port."""
    assert cluster.kubectl("create", "-f", EXAMPLES / "mysql-svc.yaml") == "service/mysql created\n"
    assert cluster.kubectl("create", "-f", SEED / "mysql-rc.yaml") == "replicationcontroller/mysql created\n"
    assert cluster.kubectl("create", "-f", SEED / "myweb-rc.yaml") == "replicationcontroller/myweb created\n"
    assert cluster.kubectl("create", "-f", SEED / "myweb-svc.yaml") == "service/myweb created\n"
    cluster.ready(1, "-l", "app=mysql", seconds=60)
    cluster.ready(2, "-l", "app=myweb")

    rc = cluster.kubectl("get", "rc").splitlines()
    assert rc[0].split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert [line.split()[:4] for line in rc[1:]] == [["mysql", "1", "1", "1"], ["myweb", "2", "2", "2"]]
    assert cluster.kubectl("get", "rc", "-o", "wide").splitlines()[0].split()[5:] == [
        "CONTAINERS",
        "IMAGES",
        "SELECTOR",
    ]

    pod = cluster.get("pods", "-l", "app=mysql")["items"][0]
    assert pod["metadata"]["name"].startswith("mysql-") and len(pod["metadata"]["name"]) == len("mysql-xxxxx")
    assert pod["status"]["containerStatuses"][0]["imageID"].startswith("image.procorch.dev/mysql")

    service = cluster.get("svc", "mysql")
    assert service["spec"]["clusterIP"].startswith("10.")
    address = cluster.host.address
    page = cluster.until(lambda: _page(cluster, f"http://{address}:30001/"), "the page has rows", 60)
    assert "Served by myweb-" in page

    cluster_ip = cluster.path("{.spec.clusterIP}", "svc", "myweb")
    assert "Kernighan" in _page(cluster, f"http://{cluster_ip}:8080/")
    assert cluster.run("ping", "-c1", "-W1", cluster_ip).returncode != 0, "S150: a ClusterIP cannot be pinged"
    assert cluster.fetch(f"http://{cluster_ip}:81/").returncode != 0, "S151: only with a service port"

    deleted = cluster.kubectl("delete", "-f", SEED / "myweb-rc.yaml", "-f", SEED / "mysql-rc.yaml").splitlines()
    assert [line.split()[1] for line in deleted] == ['"myweb"', '"mysql"']
    cluster.kubectl("delete", "svc", "mysql", "myweb")
    cluster.ready(0, "-l", "app in (mysql,myweb)")


def _page(cluster: Cluster, url: str) -> str:
    done = cluster.fetch(url)
    return done.stdout if "Kernighan" in done.stdout else ""


def test_an_image_that_nobody_knows_waits_with_a_message_that_helps(cluster: Cluster, namespace: str) -> None:
    """S034: nothing is silently replaced."""
    cluster.kubectl("run", "odd", "--image=nobody/knows:this", "-n", namespace)

    def waiting() -> str:
        template = (
            "{.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}"
        )
        text = cluster.path(template, "pod", "odd", "-n", namespace)
        return text if "ImagePull" in text else ""

    message = cluster.until(waiting, "the pod waits for its image")
    assert "nobody/knows:this" in message
    assert "Image" in message
    assert "ErrImagePull" in message or "ImagePullBackOff" in message
    assert Path(SEED / "mysql-rc.yaml").exists()
