"""Values sealed on their way to the database and opened on their way back; memory and callers know plain ones alone.

A stored value is the value itself, unless it begins with MARK; then the byte behind that says what follows:

    MARK 0  value                                       a value that begins with MARK itself
    MARK 1  id of the key  nonce  AES-GCM's output      a sealed one
    MARK 2  number (2 bytes)  so many zeros  value      one that is to leave no trace: padding.py
    MARK 3  id of the key  number  zeros  nonce  …      a sealed one, likewise

So every value has one reading, whatever its bytes are and whatever the rules were when it was written. What is sealed
is bound to the row's key: put under another one, it does not open. It is not bound to a revision, so that a backup may
be restored, under new numbers, by somebody who has no keys.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.batch import Draft
from store.errors import Sealed
from store.history import Everything
from store.news import News
from store.padding import padding
from store.rows import Event, Row

MARK = b"\0sealed"
AS_IS, SEALED, PADDED, SEALED_PADDED = (MARK + bytes([kind]) for kind in range(4))
ID, NONCE, TAG = 8, 12, 16
"""Bytes. Nonces are random: 2³² values may be sealed with one key (NIST SP 800-38D, 8.3), which a store does not
reach before its revisions do."""


class Key:
    """secret: 16, 24 or 32 random bytes. name: for people; `id` is what is stored, made of the secret alone.

    So a key that is renamed is the same key, and another secret under an old name is another key.
    """

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self.id = hashlib.sha256(b"procorch store key\0" + secret).digest()[:ID]
        self.cipher = AESGCM(secret)

    def __repr__(self) -> str:
        return f"Key({self.name}, {self.id.hex()})"

    def head(self, *, padded: bool = False) -> bytes:
        """How a value begins that was sealed with it."""
        return (SEALED_PADDED if padded else SEALED) + self.id


class Rule(NamedTuple):
    """What becomes of the values whose key begins with a prefix; of several rules the first that fits.

    providers: keys, and None for values as they are. The first one writes. Any key of any rule opens; a value that is
    not sealed is taken only where there is None.
    """

    prefix: str
    providers: tuple[Key | None, ...]


class Lost(bytes):
    """A value that cannot be opened, as it lies in the database; its row is there all the same.

    why: ends a sentence that begins with the key. is_curable: with other rules it could be opened.
    """

    why: str
    is_curable: bool

    @classmethod
    def of(cls, stored: bytes, why: str, *, is_curable: bool = False) -> "Lost":
        lost = cls(stored)
        lost.why, lost.is_curable = why, is_curable
        return lost


class Sealing:
    """Rules in force. Used from several threads; `use` puts others into force at once.

    traceless: prefixes of the keys whose values are to leave no trace when they are erased.
    """

    def __init__(self, rules: Sequence[Rule] = (), traceless: Sequence[str] = ()) -> None:
        self.traceless = tuple(traceless)
        self.use(rules)

    def use(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._keys = {key.id: key for rule in rules for key in rule.providers if key is not None}

    def heads(self) -> list[tuple[str, bytes | None]]:
        """Prefix of the keys → how a value under it begins, None where it is as it is; the first that fits counts."""
        found: list[tuple[str, bytes | None]] = []
        for prefix, providers in (*self.rules, *(Rule(prefix, (None,)) for prefix in self.traceless)):
            writer = providers[0]
            parts = [prefix, *(one for one in self.traceless if one.startswith(prefix))]
            for part in sorted(parts, key=len, reverse=True):
                padded = part.startswith(self.traceless)
                plain = PADDED if padded else None
                found.append((part, plain if writer is None else writer.head(padded=padded)))
        return found

    def seal(self, key: str, value: bytes) -> bytes:
        """As it is to be stored."""
        if isinstance(value, Lost):
            raise ValueError(f"{key}: a value that could not be opened is not to be written as if it were one")
        rule = self._rule(key)
        writer = None if rule is None else rule.providers[0]
        padded = bool(self.traceless) and key.startswith(self.traceless)
        if writer is None:
            if padded:
                return PADDED + _pad(key, len(value)) + value
            return AS_IS + value if value.startswith(MARK) else value
        nonce = os.urandom(NONCE)
        sealed = nonce + writer.cipher.encrypt(nonce, value, _place(key, writer))
        return writer.head(padded=padded) + (_pad(key, len(sealed)) if padded else b"") + sealed

    def open(self, key: str, stored: bytes) -> bytes:
        """What was sealed, or a Lost value."""
        if not stored.startswith(MARK):
            return self._as_it_is(key, stored, stored)
        head = stored[: len(SEALED)]
        if head not in (AS_IS, SEALED, PADDED, SEALED_PADDED):
            return Lost.of(stored, "is damaged, or stored in a way that only a newer version knows")
        sealed = head in (SEALED, SEALED_PADDED)
        begin = len(head) + (ID if sealed else 0)
        if head in (PADDED, SEALED_PADDED):
            begin += 2 + int.from_bytes(stored[begin : begin + 2], "big")
        if len(stored) < begin + (NONCE + TAG if sealed else 0):
            return Lost.of(stored, "is damaged: its end is missing")
        if not sealed:
            return self._as_it_is(key, stored, stored[begin:])
        name = stored[len(head) : len(head) + ID]
        reader = self._keys.get(name)
        if reader is None:
            why = f"is sealed with key {name.hex()}, which is not among the keys given"
            return Lost.of(stored, why, is_curable=True)
        nonce = stored[begin : begin + NONCE]
        try:
            return reader.cipher.decrypt(nonce, stored[begin + NONCE :], _place(key, reader))
        except InvalidTag:
            return Lost.of(stored, "is not what was written there: it was damaged, changed, or moved from elsewhere")

    def _as_it_is(self, key: str, stored: bytes, value: bytes) -> bytes:
        rule = self._rule(key)
        if rule is not None and None not in rule.providers:
            return Lost.of(stored, "is not encrypted, and only encrypted ones are to be taken", is_curable=True)
        return value

    def _rule(self, key: str) -> Rule | None:
        for rule in self.rules:
            if key.startswith(rule.prefix):
                return rule
        return None

    # --- whole shapes on their way out and in

    def draft(self, draft: Draft) -> Draft:
        return replace(draft, rows=self._sealed(draft.rows), notes=self._sealed(draft.notes))

    def _sealed(self, changes: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """changes: in the order of schema.COLUMNS."""
        if not self.rules and not self.traceless and not any((change[2] or b"").startswith(MARK) for change in changes):
            return changes
        return [
            change if change[2] is None else (*change[:2], self.seal(change[1], change[2]), *change[3:])
            for change in changes
        ]

    def row(self, row: Row) -> Row:
        value = self.open(row.key, row.value)
        return row if value is row.value else row._replace(value=value)

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        return [self.row(row) for row in rows]

    def stored(self, rows: Iterable[Row]) -> list[Row]:
        """The other way: with values as they are stored; a lost one as it lies there."""
        return [
            row._replace(value=bytes(row.value) if isinstance(row.value, Lost) else self.seal(row.key, row.value))
            for row in rows
        ]

    def events(self, events: Iterable[Event], plain: Set[int]) -> list[Event]:
        """plain: revisions of what comes from memory."""

        def opened(row: Row) -> Row:
            return row if row.revision in plain else self.row(row)

        told = []
        for event in events:
            value = event.value
            if value is not None and event.revision not in plain:
                value = self.open(event.key, value)
            previous = None if event.previous is None else opened(event.previous)
            told.append(event._replace(value=value, previous=previous))
        return told

    def news(self, news: News) -> News:
        """Raises Sealed where another process uses keys that this one does not have."""
        opened = [
            change if change.value is None else change._replace(value=self.open(change.key, change.value))
            for change in news.changes
        ]
        refuse_curable((change.key, change.value) for change in opened)
        return replace(news, changes=opened)

    def everything(self, there: Everything) -> Everything:
        """Raises Sealed for what the rules do not fit."""
        rows = {row.key: row for row in self.rows(there.rows)}
        refuse_curable((row.key, row.value) for row in rows.values())
        return replace(there, rows=list(rows.values()), notes=[rows[note.key] for note in there.notes])


def refuse_curable(values: Iterable[tuple[str, bytes | None]]) -> None:
    """Raises Sealed, in one line, where values are lost only because of the rules in force."""
    lost = [(key, value) for key, value in values if isinstance(value, Lost) and value.is_curable]
    if lost:
        key, value = min(lost, key=lambda row: row[0])
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise Sealed(f"{key} {value.why}{more}")


def _place(key: str, writer: Key) -> bytes:
    """What a sealed value is bound to: how it is sealed, and under which key of the store."""
    return writer.head() + key.encode()


def _pad(key: str, size: int) -> bytes:
    """size: of what follows, in bytes."""
    zeros = padding(key, size)
    return zeros.to_bytes(2, "big") + bytes(zeros)
