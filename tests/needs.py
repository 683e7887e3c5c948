"""Before the tests: the system's programs that they drive, installed where root and apt make that possible."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {  # program → Debian's package
    "strace": "strace",
    "ip": "iproute2",
    "curl": "curl",
    "mariadbd": "mariadb-server-core",
    "unshare": "util-linux",
    "ping": "iputils-ping",
    "vagrant": "vagrant",
}


def main() -> None:
    missing = sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and shutil.which("initdb") is None:
        missing.append("postgresql")  # its server's programs are on no PATH
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"The tests drive programs of these packages, which are missing: {' '.join(missing)}")
    print(f"Installing for the tests: {' '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
    command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
