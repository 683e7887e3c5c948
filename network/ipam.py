"""Pods' addresses: one owner each, remembered on disk, the longest-released one is used again first.

The record is a journal of lines that are appended and never changed: `["+", address, owner]`, `["-", address]`. A
process killed in the middle of a line leaves a last line that does not parse and counts as not written; it had not
handed the address out yet. After a power cut no pod is left, so nothing is synced to the disk.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections import deque
from pathlib import Path


class Exhausted(OSError):
    """Every address of the range is in use."""


class Addresses:
    """The addresses of one range. Its first address is the gateway's and never given out.

    directory: where the journal is kept. cidr: the range, e.g. `10.240.0.0/22`. Raises ValueError when the journal
    is of another range and addresses of that are in use.
    """

    def __init__(self, directory: Path, cidr: str) -> None:
        self.network = ipaddress.IPv4Network(cidr)
        self.gateway = str(self.network[1])
        self._path = directory / "addresses.journal"
        self._owners: dict[str, str] = {}  # owner → address
        self._free: deque[str] = deque()
        self._lines = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._replay()
        self._file = self._compact()

    def owners(self) -> dict[str, str]:
        """Who has which address."""
        return dict(self._owners)

    def take(self, owner: str) -> str:
        """An address for an owner, the same again for who has one. Raises Exhausted."""
        if owner in self._owners:
            return self._owners[owner]
        if not self._free:
            raise Exhausted(f"no address is left in {self.network}: {len(self._owners)} are in use")
        address = self._free[0]
        self._append(["+", address, owner])
        self._free.popleft()
        self._owners[owner] = address
        self._tidy()
        return address

    def release(self, owner: str) -> str | None:
        """Give an owner's address back; None when it had none."""
        address = self._owners.get(owner)
        if address is None:
            return None
        self._append(["-", address])
        del self._owners[owner]
        self._free.append(address)
        self._tidy()
        return address

    def close(self) -> None:
        os.close(self._file)

    def erase(self) -> None:
        """Forget everything, on disk too."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _append(self, row: list[str]) -> None:
        os.write(self._file, json.dumps(row).encode() + b"\n")
        self._lines += 1

    def _tidy(self) -> None:
        if self._lines > 8 * self.network.num_addresses + 1000:
            os.close(self._file)
            self._file = self._compact()

    def _replay(self) -> None:
        used: dict[str, str] = {}  # address → owner
        released: dict[str, None] = {}  # in order of release
        before = str(self.network)
        for line in self._path.read_bytes().split(b"\n") if self._path.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            match row:
                case ["range", str(cidr)]:
                    before = cidr
                case ["+", str(address), str(owner)]:
                    used[address] = owner
                    released.pop(address, None)
                case ["-", str(address)]:
                    used.pop(address, None)
                    released.pop(address, None)
                    released[address] = None
        if before != str(self.network):
            if used:
                raise ValueError(f"pods have addresses of {before}, which is not {self.network}: remove them first")
            released.clear()
        self._owners = {owner: address for address, owner in used.items()}
        fresh = [str(one) for one in self.network.hosts() if str(one) != self.gateway]
        self._free = deque(one for one in fresh if one not in used and one not in released)
        self._free.extend(released)

    def _compact(self) -> int:
        """Write the journal anew with what counts, and put it in the old one's place; the file to append to."""
        rows: list[list[str]] = [["range", str(self.network)]]
        rows += [["+", address, owner] for owner, address in self._owners.items()]
        rows += [["-", address] for address in self._free]
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(row) + "\n" for row in rows))
        fresh.replace(self._path)
        self._lines = len(rows)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
