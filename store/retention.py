"""How much history is kept."""

from dataclasses import dataclass
from typing import Literal

SHARE = 2
"""Of a file: times the live data that the database may have before the oldest of the past goes."""
SLACK = 16 << 20
"""Bytes beside that. With the journal's 24 MiB and a minute's writes it is less than 64 MiB."""
SHARED = 1 << 30
"""Bytes on a server, whose space is the server's to give back and cannot be told as exactly."""


@dataclass(frozen=True)
class Retention:
    """History older than `age` seconds goes; so does the oldest when the database has more than `size` bytes.

    None keeps it for ever; "auto" is SHARE times the live data and SLACK in a file, SHARED on a server. `interval`:
    seconds between two looks. The readable past moves in steps of a twenty-fourth of `age`, so that a cluster that
    fell idle is not written to at every look.
    """

    age: float | None = 24 * 3600.0
    size: int | Literal["auto"] | None = "auto"
    interval: float = 60.0

    def limit(self, live: int, *, is_shared: bool) -> int | None:
        """The bytes from which on the oldest goes. live: bytes of the newest values and their keys."""
        if self.size != "auto":
            return self.size
        return SHARED if is_shared else SHARE * live + SLACK
