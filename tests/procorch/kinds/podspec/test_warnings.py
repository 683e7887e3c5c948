"""What is allowed and still told of, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.warnings import pod_warnings


def warned(metadata: Any = None, **spec: Any) -> list[str]:
    spec.setdefault("containers", [{"name": "a", "image": "b"}])
    texts = pod_warnings({"metadata": metadata or {}, "spec": spec})
    return [one for one in texts if ": not acted on: " not in one]  # these are test_unheeded.py's


def container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "a", "image": "b", **fields}]}


def variables(*rows: dict[str, Any]) -> dict[str, Any]:
    return container(env=[{"name": "X", "value": "first"}, *rows])


HIDES = 'spec.containers[0].env[1]: hides previous definition of "X", which may be dropped when using apply'
NULL = "a null labelSelector results in matching no pod"
PORT = "spec.containers[0].ports"


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        pytest.param({}, [], id="an ordinary pod: nothing"),
        pytest.param(
            {"nodeSelector": {"beta.kubernetes.io/os": "linux", "a": "b"}},
            ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
            id="an old label of nodes in the selector",
        ),
        pytest.param(
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "failure-domain.beta.kubernetes.io/zone", "operator": "Exists"}]}]}}}},
            ["spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
             "matchExpressions[0].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; "
             'use "topology.kubernetes.io/zone" instead'],
            id="an old label of nodes in an affinity",
        ),
        pytest.param(
            {"topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname"}]},
            [f"spec.topologySpreadConstraints[0].labelSelector: {NULL}"],
            id="spreading that counts nobody",
        ),
        pytest.param(
            {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "a"}}]}}},
            ["spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm."
             f"labelSelector: {NULL}"],
            id="an affinity to nobody",
        ),
        pytest.param(
            {"hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]},
            ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"'],
            id="an address with two lists of names",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]},
            ['spec.imagePullSecrets[1].name: duplicate name "a"',
             'spec.imagePullSecrets[2].name: invalid empty name ""'],
            id="pull secrets that are named twice or not at all",
        ),
        pytest.param(
            container(resources={"requests": {"memory": "100m", "cpu": "100m"}}),
            ["spec.containers[0].resources.requests[memory]: "
             'fractional byte value "100m" is invalid, must be an integer'],
            id="a tenth of a byte",
        ),
        pytest.param(variables({"name": "X", "value": "second"}), [HIDES], id="a variable twice"),
        pytest.param(variables({"name": "X", "value": "$(X)"}), [HIDES], id="a variable that is only itself"),
        pytest.param(variables({"name": "X", "valueFrom": {}}), [HIDES], id="a variable replaced by a reference"),
        pytest.param(variables({"name": "X", "value": "$(X):more"}), [], id="a variable that extends itself: nothing"),
        pytest.param(
            container(ports=[{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]),
            [f"{PORT}[1]: duplicate port definition with {PORT}[0]"],
            id="a port twice",
        ),
        pytest.param(
            container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 80}]),
            [f"{PORT}[1]: overlapping port definition with {PORT}[0]"],
            id="a port with and without a host's",
        ),
        pytest.param(
            container(ports=[{"containerPort": 80, "name": "p"}, {"containerPort": 81, "name": "p"}]),
            [f'{PORT}[1]: duplicate port name "p" with {PORT}[0], services and probes that select ports by name '
             f"will use {PORT}[0]"],
            id="two ports of one name",
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": -1},
            ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
            id="a grace below nothing",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "glusterfs": {}}]},
            ["spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+"],
            id="a volume that is no more",
        ),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant(spec: dict[str, Any], texts: list[str]) -> None:
    assert warned(**spec) == texts


def test_annotations_that_do_nothing_any_more() -> None:
    seccomp = "seccomp.security.alpha.kubernetes.io/pod"
    said = {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": "", seccomp: "runtime/default"}}

    assert warned(said) == [
        "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; "
        'use the "priorityClassName" field instead',
        f'metadata.annotations[{seccomp}]: non-functional in v1.27+; use the "seccompProfile" field instead',
    ]
    assert len(warned(said, securityContext={"seccompProfile": {"type": "Unconfined"}})) == 1


def test_a_template_is_named_by_its_path() -> None:
    template = {"spec": {"terminationGracePeriodSeconds": -1}}

    assert [text.partition(":")[0] for text in pod_warnings(template, "spec.template")] == [
        "spec.template.spec.terminationGracePeriodSeconds"
    ]
