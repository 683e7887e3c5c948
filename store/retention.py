"""How much history is kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """History older than `age` seconds goes; so does the oldest when the database has more than `size` bytes.

    None keeps it for ever. `interval`: seconds between two looks. The readable past moves in steps of a
    twenty-fourth of `age`, so that a cluster that fell idle is not written to at every look.
    """

    age: float | None = 24 * 3600.0
    size: int | None = 1 << 30
    interval: float = 60.0
