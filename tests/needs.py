"""Before the tests: the system's programs that they drive, installed where root and apt make that possible."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent

NEEDED = {  # program → Debian's package
    "strace": "strace",
    "ip": "iproute2",
    "ps": "procps",
    "curl": "curl",
    "mariadbd": "mariadb-server-core",
    "unshare": "util-linux",
    "ping": "iputils-ping",
    "vagrant": "vagrant",
}
UNPACKED = {"docker-registry": "docker-registry"}  # packages that would start a service: only their program is taken


def main() -> None:
    missing = sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and shutil.which("initdb") is None:
        missing.append("postgresql")  # its server's programs are on no PATH
    lacking = [program for program in UNPACKED if find(program) is None]
    if not missing and not lacking:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        packages = [*missing, *(UNPACKED[program] for program in lacking)]
        sys.exit(f"The tests drive programs that are missing; as root: apt-get install {' '.join(packages)}")
    print(f"Installing for the tests: {' '.join([*missing, *lacking])}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
    if missing:
        command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    for program in lacking:
        unpack(program, UNPACKED[program])


def find(program: str) -> str | None:
    """On this machine, or beside the Python that runs the tests."""
    return shutil.which(program) or shutil.which(program, path=str(BIN))


def unpack(program: str, package: str) -> None:
    """The program alone, beside this Python."""
    with tempfile.TemporaryDirectory() as directory:
        download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
        subprocess.run(download, check=True, cwd=directory)
        (file,) = Path(directory).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", file, f"{directory}/root"], check=True)
        shutil.copy2(f"{directory}/root/usr/bin/{program}", BIN / program)


if __name__ == "__main__":
    main()
