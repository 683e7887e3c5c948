# A test may wait for a file, and says what it reads in one line.
# ruff: noqa: PTH115
"""What a process in a sandbox can see and do, and what is told of it."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import os
import signal
import threading
from pathlib import Path

import pytest

from runtime import Capabilities, Limits, Mount, ProcessSpec, Root, RuntimeFailed, SandboxSpec, User, syscalls

pytestmark = pytest.mark.kernel


async def test_a_process_is_pid_1_and_sees_no_other(run):
    state, output = await run("echo $$; set -- /proc/[0-9]*; echo $*; hostname")

    assert state.exit_code == 0
    assert output.splitlines() == ["1", "/proc/1", "box-host"]


async def test_two_processes_share_network_and_ipc_but_not_pids_or_files(bench, sandbox):
    line = "readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/pid /proc/self/ns/mnt"
    _, first = await bench.run(sandbox, line, "one")
    _, second = await bench.run(sandbox, line, "two")
    ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "ipc")]
    one, two = first.splitlines(), second.splitlines()

    assert one[:2] == two[:2]
    assert one[0] == os.readlink(sandbox.netns)
    assert not set(one) & set(ours)


async def test_shared_memory_is_the_sandboxes(bench, sandbox):
    await bench.run(sandbox, "echo hello > /dev/shm/note", "one")

    assert await bench.run(sandbox, "cat /dev/shm/note", "two")
    assert bench.output("two") == "hello"


async def test_loopback_is_up(run):
    _, output = await run("cat /sys/class/net/lo/flags")
    assert int(output, 16) & 1


async def test_the_host_root_hides_homes_secrets_and_state(bench, run):
    seen = Path(f"/tmp/procorch-seen-{os.getpid()}")
    seen.write_text("")
    try:
        _, output = await run(
            f"ls -A /root /home /run /tmp; ls /etc/shadow /etc/gshadow /etc/ssh/*key {bench.directory} 2>&1 | wc -l;"
            "cat /etc/passwd > /dev/null && echo readable; test -s /etc/machine-id && echo machine"
        )
    finally:
        seen.unlink()

    lines = output.split()
    assert seen.name not in output
    assert lines[:5] == ["/home:", "/root:", "/run:", "/tmp:", "4"]
    assert "readable" in lines


async def test_writes_stay_private(bench, sandbox):
    _, first = await bench.run(sandbox, "echo x > /usr/procorch-private; ls /usr/procorch-private", "one")
    _, second = await bench.run(sandbox, "ls /usr/procorch-private 2>&1 || true", "two")

    assert first == "/usr/procorch-private"
    assert "No such file" in second
    assert not Path("/usr/procorch-private").exists()


async def test_kernel_files_are_masked_or_read_only(run):
    _, output = await run(
        "wc -c < /proc/keys; echo 1 > /proc/sys/kernel/panic; touch /sys/kernel/x; ls /sys/firmware | wc -l;"
        "echo ok > /dev/null; ls /dev"
    )

    assert output.splitlines()[0] == "0"
    assert output.count("Read-only file system") == 2
    assert "vda" not in output and "full" in output


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        pytest.param("exit 0", 0, 0, id="it ends well"),
        pytest.param("exit 3", 3, 0, id="it ends with a code"),
        pytest.param("exec python3 -S -c 'import os; os.abort()' || kill -9 $$", None, 0, id="it aborts itself"),
    ],
)
async def test_exit_codes_are_told(run, line, code, number):
    state, _ = await run(line)

    assert state.finished_at is not None and state.started_at is not None
    assert state.finished_at >= state.started_at
    if code is not None:
        assert (state.exit_code, state.signal) == (code, number)


async def test_a_signal_from_outside_ends_it_and_is_told(bench, sandbox):
    await sandbox.start(bench.shell("sleep 100"))
    await sandbox.signal("main", signal.SIGKILL)
    state = await sandbox.wait("main")

    assert (state.exit_code, state.signal, state.oom_killed) == (137, 9, False)


async def test_a_program_that_ignores_sigterm_is_killed_with_all_it_started(bench, sandbox, runtime):
    line = "trap '' TERM; setsid sleep 1000 & setsid sleep 1000 & echo up; while :; do sleep 1; done"
    await sandbox.start(bench.shell(line))
    await until(lambda: "up" in bench.output())
    await sandbox.signal("main", signal.SIGTERM)
    await asyncio.sleep(0.05)
    assert sandbox.processes()["main"].running

    await sandbox.kill("main")
    await sandbox.wait("main")
    await until(lambda: not runtime.groups.processes(sandbox.cgroup))


async def test_a_handled_sigterm_reaches_the_program(bench, sandbox):
    await sandbox.start(bench.shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"))
    await until(lambda: "up" in bench.output())
    await sandbox.signal("main", signal.SIGTERM)

    assert (await sandbox.wait("main")).exit_code == 5
    assert bench.output().endswith("bye")


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("foo",), 'exec: "foo": executable file not found in $PATH'),
        (("/no/such",), 'exec: "/no/such": stat /no/such: no such file or directory'),
        (("/etc/passwd",), 'exec: "/etc/passwd": permission denied'),
        (("/etc",), 'exec: "/etc": is a directory'),
    ],
)
async def test_why_a_program_cannot_run_is_told_in_the_known_words(sandbox, argv, error):
    state = await sandbox.start(ProcessSpec("main", argv, env={"PATH": "/bin"}))

    assert (state.error, state.exit_code, state.running) == (error, 128, False)


async def test_a_mount_that_cannot_be_made_is_told(sandbox, tmp_path):
    mount = Mount("/data", tmp_path / "missing")
    state = await sandbox.start(ProcessSpec("main", ("/bin/true",), mounts=(mount,)))

    assert state.exit_code == 128
    assert "missing" in state.error and "No such file" in state.error


async def test_the_environment_is_exactly_what_was_given(run):
    _, output = await run("env | grep -v -e PWD -e SHLVL -e _=", env={"PATH": "/usr/bin:/bin", "A": "ä b", "EMPTY": ""})
    assert sorted(output.splitlines()) == ["A=ä b", "EMPTY=", "PATH=/usr/bin:/bin"]


async def test_a_missing_working_directory_is_made(run):
    _, output = await run("pwd", cwd="/srv/made/for/it")
    assert output == "/srv/made/for/it"


async def test_uid_gid_and_groups_are_as_asked_and_hold_no_capability(run):
    line = "id -u; id -g; id -G; grep CapEff /proc/self/status; echo x > /dev/stdout"
    _, output = await run(line, user=User(1234, 2345, (7,)))
    lines = output.splitlines()

    assert lines[:3] == ["1234", "2345", "2345 7"]
    assert lines[3].split()[1] == "0" * 16
    assert lines[4] == "x"


async def test_no_new_privileges_and_the_usual_capabilities(run):
    _, output = await run("grep -E 'CapEff|CapBnd|NoNewPrivs|SigIgn|SigBlk' /proc/self/status; mknod /x c 1 3 2>&1")
    fields = dict(line.split(":\t") for line in output.splitlines() if ":\t" in line)

    assert fields["NoNewPrivs"] == "1"
    assert fields["CapBnd"] == fields["CapEff"] == "00000000a00425fb" or int(fields["CapBnd"], 16) & ~0xA00425FB == 0
    assert int(fields["SigIgn"], 16) == int(fields["SigBlk"], 16) == 0
    assert "not permitted" in output


async def test_capabilities_are_dropped_and_added(run):
    capabilities = Capabilities(add=("NET_ADMIN",), drop=("ALL",))
    _, output = await run("grep CapEff /proc/self/status", capabilities=capabilities, no_new_privs=False)
    assert int(output.split()[1], 16) == 1 << 12


async def test_no_descriptor_leaks_into_the_program(run):
    _, output = await run("ls /proc/self/fd")
    assert output.split() == ["0", "1", "2", "3"]  # 3 is ls's own


async def test_a_directory_root_is_private_and_can_be_read_only(bench, sandbox, tmp_path):
    root = tmp_path / "root"
    for name in ("bin", "lib", "lib64", "usr"):
        (root / name).mkdir(parents=True)
    (root / "hello").write_text("from the directory")
    mounts = tuple(Mount(f"/{name}", Path(f"/{name}"), read_only=True) for name in ("bin", "lib", "lib64", "usr"))
    spec = {"root": Root("dir", root), "mounts": mounts}
    _, output = await bench.run(sandbox, "cat /hello; echo; echo x > /made; cat /made; touch /usr/x", **spec)
    assert output.startswith("from the directory\nx")
    assert "Read-only file system" in output
    assert not (root / "made").exists()

    spec["root"] = Root("dir", root, read_only=True)
    _, output = await bench.run(sandbox, "echo x > /made; echo y > /dev/shm/y && echo shm", **spec)
    assert "Read-only file system" in output and output.endswith("shm")


async def test_mounts_are_bound_read_only_where_asked(bench, run, tmp_path):
    (tmp_path / "volume").mkdir()
    (tmp_path / "hosts").write_text("127.0.0.1 me\n")
    mounts = (
        Mount("/data", tmp_path / "volume"),
        Mount("/data-ro", tmp_path / "volume", read_only=True),
        Mount("/etc/hosts", tmp_path / "hosts"),
        Mount("/scratch", type="tmpfs", options=("size=64k",)),
    )
    line = "cat /etc/hosts; echo one > /data/file; cat /data-ro/file; echo > /data-ro/file; df -k /scratch | tail -1"
    line = f"exec 2>&1; {line}"  # two pipes have no order
    _, output = await run(line, mounts=mounts)

    lines = output.splitlines()
    assert lines[:2] == ["127.0.0.1 me", "one"]
    assert "Read-only file system" in output
    assert "64" in lines[-1].split()
    assert (tmp_path / "volume" / "file").read_text() == "one\n"


async def test_a_named_tmpfs_is_shared_and_outlives_a_process(bench, sandbox):
    mounts = (Mount("/cache", Path("cache"), type="tmpfs", options=("size=1m",)),)
    await bench.run(sandbox, "echo warm > /cache/x", "one", mounts=mounts)
    _, output = await bench.run(sandbox, "cat /cache/x", "two", mounts=mounts)

    assert output == "warm"


async def test_a_sub_path_cannot_lead_out_of_its_volume(bench, sandbox, tmp_path):
    volume, secret = tmp_path / "volume", tmp_path / "secret"
    volume.mkdir(), secret.mkdir()
    (secret / "key").write_text("secret")
    (volume / "link").symlink_to(secret)
    state = await sandbox.start(bench.shell("ls /data", mounts=(Mount("/data", volume, sub_path="link"),)))
    assert state.exit_code == 128 and "cross-device" in state.error.lower()
    await sandbox.forget("main")

    state = await sandbox.start(bench.shell("ls /data", mounts=(Mount("/data", volume, sub_path="../secret"),)))
    assert state.exit_code == 128


async def test_a_race_of_renames_never_mounts_what_lies_outside(bench, sandbox, tmp_path):
    """A tenant swaps a directory for a link out of its volume while it is mounted, again and again."""
    volume, secret = tmp_path / "volume", tmp_path / "secret"
    (volume / "good").mkdir(parents=True), secret.mkdir()
    (secret / "key").write_text("secret")
    (volume / "evil").symlink_to(secret)
    stop = threading.Event()
    mounted = 0

    def flip() -> None:
        libc = ctypes.CDLL(None)
        good, evil = (os.fsencode(volume / name) for name in ("good", "evil"))
        while not stop.is_set():
            libc.renameat2(syscalls.AT_FDCWD, good, syscalls.AT_FDCWD, evil, 2)  # RENAME_EXCHANGE

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        for _ in range(40):
            state = await sandbox.start(bench.shell("ls /data", mounts=(Mount("/data", volume, sub_path="good"),)))
            await sandbox.wait("main")
            await sandbox.forget("main")
            mounted += not state.error
            assert "key" not in bench.output()
    finally:
        stop.set()
        thread.join()
    assert mounted > 0


async def test_a_target_of_a_hostile_root_stays_inside_it(bench, sandbox, tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir(), outside.mkdir()
    (root / "data").symlink_to(outside)
    mount = Mount("/data/volume", tmp_path)
    await sandbox.start(ProcessSpec("main", ("/none",), root=Root("dir", root), mounts=(mount,)))

    assert list(outside.iterdir()) == []


async def test_out_of_memory_is_told(bench, sandbox):
    line = "exec python3 -c 'x = bytearray(1 << 28)'"
    state, _ = await bench.run(sandbox, line, limits=Limits(memory_limit_bytes=32 << 20))

    assert (state.exit_code, state.oom_killed) == (137, True)


async def test_a_program_finds_its_own_limits_and_cannot_change_them(bench, sandbox):
    memory = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max; "
    cpu = "(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us 2>/dev/null || cat cpu.max) | xargs; "
    change = (
        "for i in . cpu; do echo x 2>/dev/null > $i/made && echo made; mkdir $i/sub 2>/dev/null && echo made; done; "
    )
    limits = Limits(memory_limit_bytes=96 << 20, cpu_limit_millis=250)
    _, said = await bench.run(sandbox, memory + cpu + change + "true", limits=limits)

    assert said.splitlines() == [str(96 << 20), "25000 100000"]


async def test_half_a_core_is_half_a_core(bench, sandbox):
    program = "import time; e = time.monotonic() + 1.5\nwhile time.monotonic() < e: pass\nprint(time.process_time())"
    line = f"exec python3 -S -c '{program}'"
    _, output = await bench.run(sandbox, line, limits=Limits(cpu_limit_millis=500))

    assert 0.0 < float(output) < 1.2  # 1.5 without a limit; how little it gets on a busy machine says nothing


async def test_a_fork_bomb_stays_within_its_pids_and_dies(bench, sandbox, runtime):
    await sandbox.start(bench.shell("f() { f | f & }; echo up; f; sleep 100", limits=Limits(pids=40)))
    await until(lambda: "up" in bench.output())
    await until(lambda: len(runtime.groups.processes(f"{sandbox.cgroup}/main")) >= 2)
    assert len(runtime.groups.processes(f"{sandbox.cgroup}/main")) <= 40

    await sandbox.kill("main")
    await sandbox.wait("main")
    await sandbox.forget("main")
    assert runtime.groups.processes(sandbox.cgroup) == []


async def test_limits_are_what_the_kernel_has(bench, runtime):
    limits = Limits(cpu_request_millis=250, cpu_limit_millis=500, memory_limit_bytes=64 << 20, pids=50)
    sandbox = await runtime.create(SandboxSpec("limited", limits=limits, cgroup_parent="burstable"))
    await sandbox.start(bench.shell("exec sleep 100", limits=limits))

    assert sandbox.cgroup == f"{bench.cgroup}/burstable/limited"
    for group in (sandbox.cgroup, f"{sandbox.cgroup}/main"):
        seen = runtime.groups.read(group)
        assert seen.cpu_request_millis == pytest.approx(250, rel=0.1)  # version 2's weights are coarser than shares
        assert dataclasses.replace(seen, cpu_request_millis=250) == limits
    assert len(runtime.groups.processes(f"{sandbox.cgroup}/main")) == 1


async def test_the_kernel_ends_a_program_as_readily_as_was_said_whatever_the_agents_own_score_is(bench, sandbox):
    """A command that runs beside it, too. Upward, which needs no capability."""
    await sandbox.start(bench.shell("cat /proc/self/oom_score_adj; exec sleep 100", oom_score_adj=321))
    await until(lambda: "321" in bench.output())
    ran = await sandbox.exec("main", ["cat", "/proc/self/oom_score_adj"], env={"PATH": "/bin:/usr/bin"})

    assert ran.stdout == b"321\n"
    assert Path("/proc/self/oom_score_adj").read_text() != "321\n"


async def test_exec_runs_beside_the_process(bench, sandbox):
    await sandbox.start(bench.shell("cd /srv; echo here > /srv/file; echo up; sleep 100"))
    await until(lambda: "up" in bench.output())
    env = {"PATH": "/usr/bin:/bin"}
    ran = await sandbox.exec("main", ["sh", "-c", "cat /srv/file; echo bad >&2; hostname; exit 4"], env=env)
    assert (ran.exit_code, ran.stdout, ran.stderr, ran.error) == (4, b"here\nbox-host\n", b"bad\n", "")

    ran = await sandbox.exec("main", ["ps", "ax"], env=env)
    assert b"sleep 100" in ran.stdout and b"procorch" not in ran.stdout

    ran = await sandbox.exec("main", ["sleep", "100"], env=env, timeout=0.1)
    assert ran.timed_out and ran.exit_code == 137

    ran = await sandbox.exec("main", ["head", "-c", "100000", "/dev/zero"], env=env, most=1000)
    assert len(ran.stdout) == 1000 and ran.truncated

    ran = await sandbox.exec("main", ["nothing"], env=env)
    assert ran.error == 'exec: "nothing": executable file not found in $PATH'
    assert sandbox.processes()["main"].running


async def test_a_name_is_free_again_when_it_is_forgotten(bench, sandbox):
    await sandbox.start(bench.shell("sleep 100"))
    with pytest.raises(RuntimeFailed, match="already"):
        await sandbox.start(bench.shell("sleep 100"))
    await sandbox.forget("main")

    assert sandbox.processes() == {}
    assert not (sandbox.directory / "layers" / "main").exists()
    state, _ = await bench.run(sandbox, "exit 6")
    assert state.exit_code == 6


async def test_the_hosts_network_when_asked(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("hosted", host_network=True, host_ipc=True))

    assert os.readlink(sandbox.netns) == os.readlink("/proc/self/ns/net")
    state, _ = await bench.run(sandbox, "true")
    assert state.exit_code == 0


async def test_a_sysctl_of_the_sandboxes_network(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("tuned", sysctls={"net.ipv4.ip_unprivileged_port_start": "79"}))
    _, output = await bench.run(sandbox, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    assert output == "79"


async def test_an_impossible_sandbox_leaves_nothing(runtime):
    with pytest.raises(RuntimeFailed):
        await runtime.create(SandboxSpec("odd", sysctls={"net.no.such": "1"}))

    assert dict(runtime.sandboxes) == {}
    assert list((runtime.directory / "sandboxes").iterdir()) == []
    with pytest.raises(RuntimeFailed, match="letters"):
        await runtime.create(SandboxSpec("../up"))


async def until(holds, seconds: float = 30.0) -> None:
    """Wait for what must come about; fails loudly if it does not."""
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not come about")


# --- pid namespaces that are shared ----------------------------------------------------------------------------------


async def test_processes_of_a_sandbox_that_shares_pids_see_and_signal_each_other(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("shared", shared_pids=True))
    await sandbox.start(bench.shell("trap 'exit 7' USR1; while :; do sleep 0.05; done", "first"))

    look = "tr '\\0' ' ' < /proc/1/cmdline; echo; ps -eo pid,args; pkill -USR1 -o -x sh; echo $$"
    _, said = await bench.run(sandbox, look, "second")

    assert said.startswith("procorch:pause")
    assert "trap" in said
    assert said.splitlines()[-1] != "1"
    assert (await sandbox.wait("first")).exit_code == 7


async def test_the_shared_init_is_no_way_to_the_machine(bench, runtime):
    """Also for one who may trace: its root is empty, it has no descriptor and no capability, and cannot be killed."""
    sandbox = await runtime.create(SandboxSpec("shared", shared_pids=True))
    look = "ls -A /proc/1/root /proc/1/fd; grep -E 'Cap(Prm|Eff|Bnd)|^Uid' /proc/1/status; kill -9 1; ls -d /proc/1"

    _, said = await bench.run(sandbox, look, capabilities=Capabilities(add=("ALL",)))

    assert said.splitlines()[:3] == ["/proc/1/fd:", "", "/proc/1/root:"]
    assert "Uid:\t65535\t65535\t65535\t65535" in said
    assert said.count("0000000000000000") == 3
    assert said.splitlines()[-1] == "/proc/1"


async def test_what_a_process_started_ends_with_it_where_pids_are_shared(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("shared", shared_pids=True))
    await sandbox.start(bench.shell("sleep 60", "other"))
    await sandbox.start(bench.shell("setsid sleep 61 & exit 3", "main"))

    state = await sandbox.wait("main")
    await until(lambda: not runtime.groups.processes(f"{sandbox.cgroup}/main"))

    assert state.exit_code == 3
    assert sandbox.processes()["other"].running


async def test_orphans_of_a_shared_namespace_are_reaped(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("shared", shared_pids=True))

    _, said = await bench.run(sandbox, "(sleep 0.1 &) ; sleep 0.4; ps -eo stat,args | grep -c '^Z'")

    assert said == "0"


async def test_a_shared_namespace_whose_init_ends_takes_the_sandbox_with_it(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("shared", shared_pids=True))
    await sandbox.start(bench.shell("sleep 60"))
    children = Path(f"/proc/{sandbox.pid}/task/{sandbox.pid}/children").read_text().split()
    init = next(int(pid) for pid in children if Path(f"/proc/{pid}/status").read_text().count("65535"))

    os.kill(init, signal.SIGKILL)
    await until(lambda: not sandbox.alive)

    assert sandbox.processes()["main"].exit_code == 137


async def test_a_process_joins_the_pids_of_another_and_ends_with_it(bench, sandbox):
    await sandbox.start(bench.shell("sleep 60", "target"))
    await sandbox.start(bench.shell("tr '\\0' ' ' < /proc/1/cmdline; echo; sleep 61", "debug", pids_of="target"))
    await until(lambda: "sleep 60" in bench.output("debug"))

    await sandbox.kill("target")

    assert (await sandbox.wait("debug")).exit_code == 137


async def test_a_joined_process_ends_alone_with_all_it_started(bench, sandbox, runtime):
    await sandbox.start(bench.shell("sleep 60", "target"))
    await sandbox.start(bench.shell("setsid sleep 62 & exit 0", "debug", pids_of="target"))

    await sandbox.wait("debug")
    await until(lambda: not runtime.groups.processes(f"{sandbox.cgroup}/debug"))

    assert sandbox.processes()["target"].running


async def test_nobody_joins_the_pids_of_what_does_not_run(bench, sandbox):
    with pytest.raises(RuntimeFailed, match="target: not running"):
        await sandbox.start(bench.shell("true", "debug", pids_of="target"))


async def test_the_machines_pids_and_the_end_of_the_pause(bench, runtime):
    """The pause is not init of what runs there: still nothing outlives it."""
    sandbox = await runtime.create(SandboxSpec("host", host_pids=True))
    state = await sandbox.start(bench.shell("echo $$; tr '\\0' ' ' < /proc/1/cmdline; echo; sleep 60"))
    await until(lambda: len(bench.output().splitlines()) == 2)
    own, first = bench.output().splitlines()

    assert int(own) == state.pid
    assert first.strip() == Path("/proc/1/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()

    os.kill(sandbox.pid, signal.SIGTERM)  # what an init would not hear
    await asyncio.sleep(0.1)
    assert sandbox.alive
    os.kill(sandbox.pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{state.pid}").exists())


async def test_an_open_kernel_has_the_machines_devices_and_hides_nothing(bench, sandbox):
    look = "ls /dev | sort | tr '\\n' ' '; echo; test -w /proc/sys/kernel/domainname && echo writable; "
    look += "test -w /sys/kernel/mm && touch /sys/x 2>&1 | grep -o 'Read-only.*'; "
    look += "mount | grep -c ' /proc/'; mkdir /tmp/m && mount -t tmpfs x /tmp/m && echo mounted"

    _, said = await bench.run(sandbox, look, open_kernel=True, capabilities=Capabilities(add=("ALL",)))

    devices, *rest = said.splitlines()
    own = {path.name for path in Path("/dev").iterdir() if path.is_char_device() or path.is_block_device()}
    assert own <= set(devices.split())
    assert rest == ["writable", "0", "mounted"]


async def test_an_open_kernel_may_make_groups_in_its_own(bench, sandbox):
    look = "cd /sys/fs/cgroup; test -d memory && cd memory; mkdir own && rmdir own && echo done"

    assert (await bench.run(sandbox, look, open_kernel=True))[1] == "done"
