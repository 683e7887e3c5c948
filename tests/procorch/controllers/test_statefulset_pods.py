"""Who a StatefulSet's pods are, and which claims are theirs."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.controllers.controller_revisions import new_revision
from procorch.controllers.statefulset_pods import claim_owners, claims_of, is_stale, number_of, pod_of
from procorch.objects import Object


def owner(**spec: Any) -> Object:
    labels = {"app": "db"}
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}], "volumes": volumes}}
    claims = [{"metadata": {"name": "data", "labels": {"tier": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
    metadata = {"name": "db", "namespace": "n", "uid": "set"}
    whole = {"replicas": 2, "serviceName": "dbs", "selector": {"matchLabels": labels}, "template": template,
             "volumeClaimTemplates": claims, **spec}  # fmt: skip
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": whole}


def named(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "n", "uid": f"pod {name}"}}


@pytest.mark.parametrize(
    ("name", "number"),
    [("db-0", 0), ("db-12", 12), ("db-01", None), ("db-", None), ("dbx-0", None), ("x-db-0", None), ("db-0-1", None)],
)
def test_the_number_is_in_the_name(name: str, number: int | None) -> None:
    assert number_of(owner(), named(name)) == number


def test_a_pod_knows_who_it_is() -> None:
    there = owner()
    revision = new_revision(there, 1, 0, "controller.kubernetes.io/hash")
    made = pod_of(owner(template={}), 1, revision)

    assert made["metadata"]["name"] == made["spec"]["hostname"] == "db-1"
    assert made["spec"]["subdomain"] == "dbs"
    assert made["metadata"]["labels"] == {
        "app": "db", "statefulset.kubernetes.io/pod-name": "db-1", "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision["metadata"]["name"],
    }  # fmt: skip
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}
    assert made["spec"]["volumes"] == [claim, {"name": "tmp", "emptyDir": {}}]
    assert there["spec"]["template"]["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}


def test_a_claim_for_each() -> None:
    (claim,) = claims_of(owner(), 1)

    assert claim["metadata"] == {"name": "data-db-1", "namespace": "n", "labels": {"tier": "1", "app": "db"}}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"]}


SET, POD = "set", "pod"


@pytest.mark.parametrize(
    ("deleted", "scaled", "number", "expected"),
    [
        ("Retain", "Retain", 0, None), ("Retain", "Retain", 5, None),
        ("Delete", "Retain", 0, SET), ("Delete", "Retain", 5, SET),
        ("Retain", "Delete", 0, None), ("Retain", "Delete", 5, POD),
        ("Delete", "Delete", 0, SET), ("Delete", "Delete", 5, POD),
    ],
)  # fmt: skip
def test_whom_a_claim_goes_with(deleted: str, scaled: str, number: int, expected: str | None) -> None:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    there = owner(persistentVolumeClaimRetentionPolicy=policy)
    of_before = {"kind": "StatefulSet", "name": "db", "uid": "set", "controller": True}
    others = {"kind": "Backup", "name": "b", "uid": "b"}
    claim = {"metadata": {"name": "data", "ownerReferences": [of_before, others]}}
    found = claim_owners(there, named(f"db-{number}"), claim)

    assert found[0] == others
    kinds = [row["kind"] for row in found[1:]]
    assert kinds == ([] if expected is None else ["StatefulSet"] if expected == SET else ["Pod"])


def test_a_claim_that_somebody_else_controls_is_left_to_them() -> None:
    row = {"kind": "Backup", "name": "b", "uid": "b", "controller": True}
    there = owner(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"})

    assert claim_owners(there, named("db-0"), {"metadata": {"ownerReferences": [row]}}) == [row]


def test_a_claim_of_a_former_pod_is_stale() -> None:
    row = {"kind": "Pod", "name": "db-0", "uid": "former"}

    assert is_stale({"metadata": {"ownerReferences": [row]}}, "db-0")
    assert not is_stale({"metadata": {"ownerReferences": [row]}}, "db-1")
