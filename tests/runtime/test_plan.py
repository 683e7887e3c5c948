"""A ProcessSpec becomes steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime import Capabilities, Mount, ProcessSpec, Root, RuntimeFailed, User
from runtime.plan import CAPABILITIES, capability_mask, group_steps, process_steps


def steps(**more):
    spec = ProcessSpec("main", ("sh",), **more)
    return process_steps(spec, "/state/box", "/state/mask", ["/cg/tasks"], {"": "/cg/box"})


def names(rows):
    return [row[0] for row in rows]


def test_the_order_is_groups_root_masks_mounts_pivot_rights_program():
    rows = steps(mounts=(Mount("/a", Path("/x")),), rlimits={"NOFILE": (10, 20)}, hostname="own")

    assert names(rows) == [
        "join_tasks", "oom_score", "own_hostname", "overlay", "kernel_mounts", "mask", "bind", "bind", "pivot",
        "limits", "identity", "directory", "execute",
    ]  # fmt: skip


def test_outer_mounts_come_before_inner_ones():
    rows = steps(mounts=(Mount("/a/b", Path("/1")), Mount("/a", Path("/2")), Mount("/c", type="tmpfs")))

    targets = [row[3] if row[0] == "bind" else row[1] for row in rows if row[0] in ("bind", "tmpfs")]
    assert targets == [
        "/sys/fs/cgroup",
        "/a",
        "/c",
        "/a/b",
    ]


def test_the_mask_lies_over_the_host_root_only():
    host = next(row for row in steps() if row[0] == "overlay")
    directory = next(row for row in steps(root=Root("dir", Path("/image,1:2"))) if row[0] == "overlay")

    assert host[3].startswith("lowerdir=/state/mask:/,")
    assert directory[3].startswith("lowerdir=/image\\,1\\:2,")


def test_the_own_group_is_shown_where_programs_look_for_it():
    """Version 2 has one tree, version 1 one for each controller in a directory that is closed behind them."""
    assert group_steps({"": "/cg/box"}, read_only=True) == [["bind", "/cg/box", "", "/sys/fs/cgroup", True]]
    assert group_steps({"cpu": "/cpu/box", "memory": "/memory/box"}, read_only=False) == [
        ["tmpfs", "/sys/fs/cgroup", "mode=755,size=64k", False],
        ["bind", "/cpu/box", "", "/sys/fs/cgroup/cpu", False],
        ["bind", "/memory/box", "", "/sys/fs/cgroup/memory", False],
        ["read_only", "/sys/fs/cgroup"],
    ]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (Capabilities(drop=("ALL",)), set()),
        (Capabilities(drop=("ALL",), add=("NET_BIND_SERVICE",)), {"NET_BIND_SERVICE"}),
        (Capabilities(add=("ALL",)), set(CAPABILITIES)),
    ],
)
def test_capabilities(change, kept):
    mask = capability_mask(change)
    assert {name for number, name in enumerate(CAPABILITIES) if mask >> number & 1} == kept


def test_cap_prefix_and_case_do_not_matter_and_mknod_is_not_given():
    assert capability_mask(Capabilities(add=("cap_sys_time",))) == capability_mask(Capabilities(add=("SYS_TIME",)))
    assert not capability_mask(Capabilities()) >> CAPABILITIES.index("MKNOD") & 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"capabilities": Capabilities(add=("FLY",))}, '"FLY"'),
        ({"rlimits": {"WINGS": (1, 1)}}, '"WINGS"'),
        ({"root": Root("dir")}, "needs a path"),
        ({"mounts": (Mount("/a"),)}, "needs a source"),
    ],
)
def test_what_cannot_be_is_refused_by_name(more, words):
    with pytest.raises(RuntimeFailed, match=words):
        steps(**more)


def test_rights_are_given_as_asked():
    row = next(row for row in steps(user=User(1, 2, (3,)), no_new_privs=False) if row[0] == "identity")
    assert row[1:4] == [1, 2, [3]] and row[5] is False
