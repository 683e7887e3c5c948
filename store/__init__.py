"""A revisioned log of keys and bytes on SQL: append with a precondition, read at a revision, follow, compact."""

from store.errors import Compacted, Conflict, Damaged, LogError, Sealed, StorageFull, Unavailable, Unknown, Unusable
from store.log import Log
from store.resealing import Outcome, Tally
from store.retention import Retention
from store.rows import Event, Row, Write
from store.sealing import Key, Lost, Rule

__all__ = [
    "Compacted",
    "Conflict",
    "Damaged",
    "Event",
    "Key",
    "Log",
    "LogError",
    "Lost",
    "Outcome",
    "Retention",
    "Row",
    "Rule",
    "Sealed",
    "StorageFull",
    "Tally",
    "Unavailable",
    "Unknown",
    "Unusable",
    "Write",
]
