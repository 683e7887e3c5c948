"""What others have appended to the same database, as one reading of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Change(NamedTuple):
    """One row of the database: durable, or a note."""

    revision: int
    key: str
    value: bytes | None
    created: int
    moment: int
    durable: bool


@dataclass(frozen=True, slots=True)
class News:
    """One snapshot of what came after a revision, in order.

    issued: the highest number given to anything. reserved, oldest, swept: as in the table `state`. renewed: the server
    had forgotten its notes (it crashed), and this reader began them anew.
    """

    issued: int
    reserved: int
    oldest: int
    swept: int
    changes: Sequence[Change]
    renewed: bool = False
