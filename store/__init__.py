"""A revisioned log of keys and bytes on SQL: append with a precondition, read at a revision, follow, compact."""

from store.errors import Compacted, Conflict, Damaged, LogError, StorageFull, Unavailable, Unknown, Unusable
from store.log import Log
from store.retention import Retention
from store.rows import Event, Row, Write

__all__ = [
    "Compacted",
    "Conflict",
    "Damaged",
    "Event",
    "Log",
    "LogError",
    "Retention",
    "Row",
    "StorageFull",
    "Unavailable",
    "Unknown",
    "Unusable",
    "Write",
]
