"""Who a container's processes are, and what they may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet import security
from procorch.kubelet.environment import ConfigProblem
from procorch.kubelet.images import Resolved
from runtime import Capabilities, Root, User


def pod(**context: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"securityContext": context}}


@pytest.mark.parametrize(
    ("of_pod", "own", "image", "user"),
    [
        pytest.param({}, {}, None, User(0, 0), id="nobody says: root"),
        pytest.param({}, {}, (7, 8), User(7, 8), id="the image's"),
        pytest.param({"runAsUser": 5}, {}, (7, 8), User(5, 0), id="the pod's before the image's"),
        pytest.param({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 9}, None, User(9, 6), id="the container's first"),
        pytest.param({"supplementalGroups": [3], "fsGroup": 4}, {}, None, User(0, 0, (3, 4)), id="groups"),
    ],
)
def test_user(of_pod: dict[str, Any], own: dict[str, Any], image: tuple[int, int] | None, user: User) -> None:
    resolved = Resolved(Root("host"), "host", user=image)

    assert security.user(pod(**of_pod), {"name": "c", "securityContext": own}, resolved) == user


def test_root_is_refused_where_it_must_not_be() -> None:
    with pytest.raises(
        ConfigProblem, match='container has runAsNonRoot and image will run as root \\(pod: "p_n\\(u\\)"'
    ):
        security.user(pod(runAsNonRoot=True), {"name": "c"}, Resolved(Root("host"), "host"))


def test_capabilities_lose_their_prefix() -> None:
    own = {"capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["all"]}}

    assert security.capabilities({"securityContext": own}) == Capabilities(("NET_ADMIN",), ("ALL",))


@pytest.mark.parametrize(
    ("qos", "request_", "score"),
    [("Guaranteed", 1, -997), ("BestEffort", 0, 1000), ("Burstable", 0, 999), ("Burstable", 100, 2)],
)
def test_who_goes_first_when_memory_is_short(qos: str, request_: int, score: int) -> None:
    assert security.oom_score_adjust(qos, request_, 100) == score


def test_groups_of_the_image_are_merged_unless_the_pod_is_strict(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("web:x:33:33::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("web:x:33:\nmedia:x:50:alice,web\nother:x:51:webmaster\n")
    image = Resolved(Root("dir", tmp_path), "dir")

    def groups(**context: Any) -> tuple[int, ...]:
        return security.user(pod(runAsUser=33, supplementalGroups=[7], **context), {"name": "c"}, image).groups

    assert groups() == groups(supplementalGroupsPolicy="Merge") == (7, 50)
    assert groups(supplementalGroupsPolicy="Strict") == (7,)


def test_privileged_is_every_capability_and_every_way_to_more() -> None:
    container = {"securityContext": {"privileged": True, "capabilities": {"drop": ["ALL"]}}}

    assert security.capabilities(container) == Capabilities(add=("ALL",))
    assert not security.no_new_privs(container)
    assert security.is_privileged(container)


@pytest.mark.parametrize(
    ("of_pod", "own", "refused"),
    [
        pytest.param({}, {"seccompProfile": {"type": "Unconfined"}}, "", id="no filter is what there is"),
        pytest.param({"seccompProfile": {"type": "RuntimeDefault"}}, {}, "", id="a warning tells of this one"),
        pytest.param(
            {}, {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}},
            "securityContext.seccompProfile.type: Localhost: not supported: there is no seccomp profile on this node",
            id="a profile of the node",
        ),
        pytest.param(
            {"appArmorProfile": {"type": "RuntimeDefault"}}, {},
            "spec.securityContext.appArmorProfile.type: RuntimeDefault: not supported: "
            "there is no AppArmor profile on this node",
            id="the pod's",
        ),
        pytest.param(
            {"appArmorProfile": {"type": "RuntimeDefault"}}, {"appArmorProfile": {"type": "Unconfined"}}, "",
            id="the container's own comes before it",
        ),
    ],
)  # fmt: skip
def test_profiles_that_the_node_has_not_got_are_refused(
    of_pod: dict[str, Any], own: dict[str, Any], refused: str
) -> None:
    def check() -> None:
        security.check(pod(**of_pod), {"name": "c", "securityContext": own})

    if not refused:
        check()
        return
    with pytest.raises(ConfigProblem) as caught:
        check()
    assert str(caught.value) == refused
