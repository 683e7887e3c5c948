"""A PostgreSQL server of the tests' own: unix socket, temporary directory, own user, synced as in production."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg

USER = "postgres"
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "10s",
    "log_min_messages": "warning",
}


def binaries() -> Path | None:
    """Where initdb and pg_ctl are; of several versions the newest. None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


class Server:
    """Started when made; `stop` ends it and removes its directory."""

    def __init__(self, parent: Path = Path("/tmp"), **settings: str) -> None:
        """parent: where its directory is made. Of a short name: a socket's path has about a hundred bytes."""
        bin_directory = binaries()
        assert bin_directory is not None, "PostgreSQL is not installed"
        self._bin = bin_directory
        self.directory = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
        self.data = self.directory / "data"
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        self.run("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={USER}",
                 "--pgdata", str(self.data))  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as file:
            for name, value in {**SETTINGS, **settings}.items():
                file.write(f"{name} = {value}\n")
        self.start()

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, as the server's user. Raises with what it printed."""
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*become, str(self._bin / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.directory, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        self.control("start", "--log", str(self.directory / "log"), "--options", f"-k {self.directory}")

    def control(self, action: str, *arguments: str) -> None:
        """pg_ctl, waiting."""
        self.run("pg_ctl", action, "--wait", "--pgdata", str(self.data), *arguments)

    def crash(self) -> None:
        """As a power cut would end it, as far as the server is concerned; started again after recovery."""
        self.control("restart", "--mode=immediate", "--log", str(self.directory / "log"))

    def url(self, schema: str = "public") -> str:
        host = quote(str(self.directory), safe="")
        return f"postgresql://{USER}@/postgres?host={host}&options=-csearch_path%3D{schema}"

    def pid(self) -> int:
        """Of the server's first process, the parent of all others."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def schema(self, name: str) -> str:
        """The URL of an empty schema: as good as a database of one's own, and made in a millisecond."""
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return self.url(name)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url(), autocommit=True)

    def stop(self) -> None:
        try:
            self.control("stop", "--mode=immediate")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
