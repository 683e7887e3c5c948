"""The shape of what comes again and again as it is, as each pod of a workload brings its specification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import orjson

from procorch.api.fieldmanager.fieldset import FieldSet
from procorch.api.fieldmanager.shapes import Compared, Struct

_MOST = 512  # sets that are remembered; each takes some 3 kB
_LARGE = 32 << 10  # bytes of JSON of a value that is not remembered


class Repeated(Struct):
    """What was said of its latest values is remembered, by their JSON. Sets of fields never change, and are shared."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[bytes, FieldSet | None] = {}

    def added(self, value: Any) -> FieldSet:
        found = self._remembered(b"+", value, super().added)
        assert found is not None
        return found

    def compared(self, old: Any, new: Any) -> Compared:
        if old:
            return super().compared(old, new)
        compared = super().compared
        return self._remembered(b"0", new, lambda value: compared(old, value)[0]), None  # of nothing nothing can go

    def applied(self, value: Any) -> FieldSet | None:
        return self._remembered(b"=", value, super().applied)

    def check(self, value: Any, path: str) -> Iterator[str]:
        key = self._key(b"?", value)
        if key in self._said:
            return
        is_right = True
        for problem in super().check(value, path):
            is_right = False
            yield problem
        if is_right:
            self._keep(key, None)

    def _remembered(self, sort: bytes, value: Any, say: Callable[[Any], FieldSet | None]) -> FieldSet | None:
        key = self._key(sort, value)
        if key in self._said:
            return self._said[key]
        said = say(value)
        self._keep(key, said)
        return said

    def _key(self, sort: bytes, value: Any) -> bytes:
        """Empty for what is not remembered: it is too large."""
        encoded = orjson.dumps(value)
        return b"" if len(encoded) > _LARGE else sort + sha256(encoded).digest()

    def _keep(self, key: bytes, said: FieldSet | None) -> None:
        if key:
            self._said[key] = said
            if len(self._said) > _MOST:
                del self._said[next(iter(self._said))]
