"""`procorch api-resources` against a real API."""


def test_kinds_are_listed_as_the_server_tells_them(procorch):
    rows = [line.split() for line in procorch("api-resources").splitlines()]

    assert rows[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["pods", "po", "v1", "true", "Pod"] in rows
    assert ["replicasets", "rs", "apps/v1", "true", "ReplicaSet"] in rows
    assert not any("/" in row[0] for row in rows), "no subresources"


def test_they_can_be_chosen(procorch):
    assert "pods" not in procorch("api-resources", "--namespaced", "false")
    assert [
        row.split()[0] for row in procorch("api-resources", "--api-group", "apps", "--no-headers").splitlines()
    ] == ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"]
    assert "pods " in procorch("api-resources", "--verbs", "list,watch")
