"""Every kind is found by its name, its URL and its objects."""

import pytest

from procorch.kinds import KINDS


def test_a_kind_is_found_by_name_by_url_and_by_object() -> None:
    pod = KINDS["Pod"]

    assert KINDS.get("", "v1", "pods") is pod
    assert KINDS.of({"apiVersion": "v1", "kind": "Pod"}) is pod
    assert KINDS.get("apps", "v1", "replicasets") is KINDS["ReplicaSet"]


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        KINDS["Pot"]
    with pytest.raises(KeyError):
        KINDS.of({"apiVersion": "v2", "kind": "Pod"})
    with pytest.raises(KeyError):
        KINDS.of({"apiVersion": ["v1"], "kind": {}})
    assert KINDS.get("", "v1", "pots") is None


def test_the_groups_are_those_of_kubernetes_and_ours() -> None:
    assert KINDS.groups() == {
        "": ["v1"],
        "apps": ["v1"],
        "batch": ["v1"],
        "autoscaling": ["v2", "v1"],
        "policy": ["v1"],
        "discovery.k8s.io": ["v1"],
        "coordination.k8s.io": ["v1"],
        "events.k8s.io": ["v1"],
        "certificates.k8s.io": ["v1"],
        "rbac.authorization.k8s.io": ["v1"],
        "networking.k8s.io": ["v1"],
        "storage.k8s.io": ["v1"],
        "node.k8s.io": ["v1"],
        "scheduling.k8s.io": ["v1"],
        "flowcontrol.apiserver.k8s.io": ["v1"],
        "procorch.dev": ["v1"],
        "metrics.k8s.io": ["v1beta1"],
    }


def test_short_names_and_urls_are_nobody_elses() -> None:
    """But for nodes' and pods' figures, which are called `nodes` and `pods` in Kubernetes, too."""
    own = [kind for kind in KINDS if kind.guise_of is None and kind.group != "metrics.k8s.io"]
    words = [word for kind in own for word in (kind.plural, *kind.short_names)]

    assert len(words) == len(set(words))


def test_kubectl_get_all_shows_what_it_shows_in_kubernetes() -> None:
    shown = {kind.name for kind in KINDS if "all" in kind.categories}

    assert shown == {
        "Pod", "ReplicationController", "ReplicaSet", "Service", "Deployment", "StatefulSet", "DaemonSet", "Job",
        "CronJob", "HorizontalPodAutoscaler",
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_every_kind_has_a_name_column_and_every_cell_of_an_empty_object_can_be_shown(kind) -> None:  # type: ignore[no-untyped-def]
    cells = [column.cell({"metadata": {"name": "a"}}, 0.0) for column in kind.columns]

    assert "name" in [column.format for column in kind.columns]
    assert all(isinstance(cell, str | int | bool) or cell is None for cell in cells)


def test_deleting_a_replication_controller_or_a_job_leaves_the_dependents() -> None:
    assert [kind.name for kind in KINDS if kind.orphans] == ["ReplicationController", "Job"]
    assert [kind.name for kind in KINDS if kind.orphans_warning] == ["Job"]


def test_a_field_that_cannot_be_selected_by_is_refused_in_kubernetes_words() -> None:
    with pytest.raises(ValueError, match=r"^field label not supported: spec\.foo$"):
        KINDS["Pod"].check_field("spec.foo")
    with pytest.raises(
        ValueError, match=r'^"a" is not a known field selector: only "metadata.name", "metadata.namespace"$'
    ):
        KINDS["ConfigMap"].check_field("a")
    KINDS["ConfigMap"].check_field("metadata.name")


def test_a_field_reads_as_text() -> None:
    pod = {"metadata": {"name": "a"}, "spec": {"hostNetwork": True}, "status": {"podIPs": [{"ip": "10.0.0.1"}]}}
    kind = KINDS["Pod"]

    assert kind.field_text(pod, "metadata.name") == "a"
    assert kind.field_text(pod, "spec.nodeName") == ""
    assert kind.field_text(pod, "spec.hostNetwork") == "true"
    assert kind.field_text(pod, "status.podIPs") == "10.0.0.1"
    assert KINDS["Node"].field_text({"metadata": {"name": "a"}, "spec": {}}, "spec.unschedulable") == "false"
