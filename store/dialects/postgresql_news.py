"""What came after a revision, in one statement and so in one snapshot."""

from typing import Any

import psycopg

from store.news import Change, News

_NEWS = """
SELECT c.issued,
       (SELECT coalesce(max(value), 0) FROM state WHERE name = 'reserved'),
       (SELECT coalesce(max(value), 0) FROM state WHERE name = 'oldest'),
       (SELECT coalesce(max(value), 0) FROM state WHERE name = 'swept'),
       n.*
FROM counter c LEFT JOIN LATERAL (
    SELECT revision, key, value, created, moment, true AS durable FROM changes WHERE revision > %(known)s
    UNION ALL
    SELECT revision, key, value, created, moment, false FROM notes WHERE revision > %(known)s
) n ON c.issued > %(known)s
ORDER BY n.revision
"""


def read(connection: psycopg.Connection[Any], known: int, *, renewed: bool = False) -> News:
    """Raises LookupError where the server has lost its count."""
    rows = connection.execute(_NEWS, {"known": known}, binary=True, prepare=True).fetchall()
    if not rows:
        raise LookupError("the count is gone")
    issued, reserved, oldest, swept, first = rows[0][:5]
    changes = () if first is None else [Change._make(row[4:]) for row in rows]
    return News(issued, reserved, oldest, swept, changes, renewed)
