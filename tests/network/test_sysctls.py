"""Kernel settings: what they were is on disk before they are touched, whenever the agent is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from network import netns
from network.sysctls import Sysctls

if TYPE_CHECKING:
    from procorch.hosts import Lab

NAME = "net.ipv4.ip_forward"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A directory that stands for /proc/sys."""
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    for name in ("ip_forward", "tcp_tw_reuse"):
        (tmp_path / "sys/net/ipv4" / name).write_text("0\n")
    return tmp_path / "sys"


def value(kernel: Path, name: str = NAME) -> str:
    return kernel.joinpath(*name.split(".")).read_text().strip()


def test_what_was_set_is_put_back_and_the_record_is_gone(kernel: Path, tmp_path: Path) -> None:
    record = tmp_path / "sysctl.json"
    Sysctls(record, kernel).set(NAME, "1")
    Sysctls(record, kernel).set(NAME, "1")  # a successor, who finds it as it should be
    Sysctls(record, kernel).set("net.ipv4.tcp_tw_reuse", "1")
    assert (value(kernel), value(kernel, "net.ipv4.tcp_tw_reuse")) == ("1", "1")
    Sysctls(record, kernel).restore()

    assert (value(kernel), value(kernel, "net.ipv4.tcp_tw_reuse")) == ("0", "0")
    assert not record.exists()


def test_what_somebody_else_set_since_stays(kernel: Path, tmp_path: Path) -> None:
    sysctls = Sysctls(tmp_path / "sysctl.json", kernel)
    sysctls.set(NAME, "1")
    kernel.joinpath("net/ipv4/ip_forward").write_text("2\n")
    sysctls.restore()

    assert value(kernel) == "2"


def test_what_was_so_already_is_not_touched_at_the_end(kernel: Path, tmp_path: Path) -> None:
    sysctls = Sysctls(tmp_path / "sysctl.json", kernel)
    sysctls.set(NAME, "0")
    sysctls.restore()

    assert value(kernel) == "0"
    assert not (tmp_path / "sysctl.json").exists()


def test_a_setting_that_the_kernel_lacks_is_an_error_and_not_recorded(kernel: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="tcp_new"):
        Sysctls(tmp_path / "sysctl.json", kernel).set("net.ipv4.tcp_new", "1")

    assert not (tmp_path / "sysctl.json").exists()


@pytest.mark.parametrize(
    "text",
    ["", '{"where": "th', "[]", '{"where": 1, "settings": {"net.ipv4.ip_forward": "0"}}', '"net.ipv4.ip_forward"'],
    ids=["empty", "torn", "a list", "of another boot", "a word"],
)
def test_a_record_that_is_torn_or_of_another_boot_undoes_nothing(kernel: Path, tmp_path: Path, text: str) -> None:
    record = tmp_path / "sysctl.json"
    record.write_text(text)
    kernel.joinpath("net/ipv4/ip_forward").write_text("1\n")
    Sysctls(record, kernel).restore()

    assert value(kernel) == "1"
    assert not record.exists()


@pytest.mark.parametrize("step", range(1, 4), ids=["before the record", "record written aside", "record in place"])
def test_an_agent_killed_at_any_step_leaves_what_restore_undoes(kernel: Path, tmp_path: Path, step: int) -> None:
    """A child sets two things and ends itself, as by `kill -9`, at a step of the second."""
    record = tmp_path / "sysctl.json"
    child = os.fork()
    if child == 0:
        _die_at(step, record, kernel)
    status = os.waitpid(child, 0)[1]
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert json.loads(record.read_text())["settings"][NAME] == ["0", "1"]
    successor = Sysctls(record, kernel)
    successor.set(NAME, "1")
    successor.restore()

    assert (value(kernel), value(kernel, "net.ipv4.tcp_tw_reuse")) == ("0", "0")
    assert list(tmp_path.iterdir()) == [kernel]


def _die_at(step: int, record: Path, kernel: Path) -> None:
    sysctls = Sysctls(record, kernel)
    sysctls.set(NAME, "1")
    steps = iter(range(1, 9))
    write, replace = Path.write_text, Path.replace

    def dying(do: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*arguments)

        return wrapped

    Path.write_text, Path.replace = dying(write), dying(replace)  # type: ignore[method-assign]
    try:
        sysctls.set("net.ipv4.tcp_tw_reuse", "1")
    finally:
        os._exit(0)


@pytest.mark.kernel
def test_a_record_counts_for_one_network_namespace_only(lab: Lab, tmp_path: Path) -> None:
    """Hosts that are made anew under an old name find their predecessor's record, and settings that are nobody's."""
    record = tmp_path / "sysctl.json"
    setting = Path("/proc/sys/net/ipv4/ip_forward")
    host = lab.host("one")
    host.inside(lambda: Sysctls(record).set(NAME, "1"))
    assert host.inside(setting.read_text).strip() == "1"
    another = netns.create()

    def restore() -> str:
        setting.write_text("1")
        Sysctls(record).restore()
        return setting.read_text().strip()

    assert netns.inside(another, restore) == "1"
    os.close(another)
