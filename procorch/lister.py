"""What is known of a kind: key → object, read-only, and indexes over it.

Where an object lies is the informer's matter: decoded, as it came over the wire, or as bytes that it shares with the
API's cache. Then it is decoded when somebody asks for it, and not kept: a pod takes five times its bytes as a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from procorch.objects import Object, labels_of, owners_of

Words = Callable[[Object], Iterable[str]]
"""Under which words an index has an object."""


class Held(Protocol):
    """One object at one revision, in whatever form it is kept."""

    @property
    def revision(self) -> int: ...

    @property
    def object(self) -> Object:
        """Not to be changed."""
        ...

    def decoded(self) -> Object:
        """The same, for a single look: where it had to be decoded it is not kept for the next who asks."""
        ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object that is kept as it is."""

    object: Object

    @property
    def revision(self) -> int:
        return version_of(self.object)

    def decoded(self) -> Object:
        return self.object


class Lister(Mapping[str, Object]):
    """Indexes cost one dict each and are always current. What goes through all objects may decode all of them."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._newest: tuple[Held | None, Object] = None, {}  # decoded: who is told of it looks it up here, too
        self._indexes: dict[str, _Index] = {}
        self.add_index("owner", lambda obj: [owner["uid"] for owner in owners_of(obj)])

    def __getitem__(self, key: str) -> Object:
        return self._read(self._held[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def get(self, key: str, default: Any = None) -> Any:
        held = self._held.get(key)
        return default if held is None else self._read(held)

    def held(self, key: str) -> Held | None:
        """As it is kept: for its revision, say."""
        return self._held.get(key)

    def add_index(self, name: str, words: Words) -> None:
        """Objects are found by it as `by(name, word)`. Adding a known name again does nothing.

        Best before the objects come: then they need not be decoded once more for it.
        """
        if name not in self._indexes:
            index = self._indexes[name] = _Index(words)
            for key, held in self._held.items():
                index.put(key, None, held.decoded())

    def by(self, index: str, word: str) -> list[Object]:
        return [self._read(self._held[key]) for key in self._indexes[index].keys.get(word, ())]

    def count(self, index: str, word: str) -> int:
        return len(self._indexes[index].keys.get(word, ()))

    def by_owner(self, uid: str) -> list[Object]:
        """The objects with this uid in their ownerReferences, whether it controls them or not."""
        return self.by("owner", uid)

    def by_namespace(self, namespace: str) -> list[Object]:
        """The index is made when it is first asked for, as those over labels: most kinds are never asked."""
        self.add_index("namespace", lambda obj: [obj["metadata"].get("namespace") or ""])
        return self.by("namespace", namespace)

    def by_label(self, name: str, value: str) -> list[Object]:
        """The objects that carry the label."""
        self.add_index(f"label:{name}", lambda obj: [labels[name]] if name in (labels := labels_of(obj)) else [])
        return self.by(f"label:{name}", value)

    def put(self, key: str, new: Held, obj: Object) -> Object | None:
        """Only the informer calls this. obj: the object that `new` holds. Returns the one that was there."""
        old = self._held.get(key)
        self._held[key] = new
        self._newest = new, obj
        return self._indexed(key, old, obj)

    def drop(self, key: str) -> Object | None:
        """Only the informer calls this. Returns what was there."""
        return self._indexed(key, self._held.pop(key, None), None)

    def _read(self, held: Held) -> Object:
        return self._newest[1] if held is self._newest[0] else held.object

    def _indexed(self, key: str, held: Held | None, new: Object | None) -> Object | None:
        old = None if held is None else self._read(held)
        for index in self._indexes.values():
            index.put(key, old, new)
        return old


class _Index:
    """word → keys, in the order in which they came."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.keys: dict[str, dict[str, None]] = {}

    def put(self, key: str, old: Object | None, new: Object | None) -> None:
        before = list(self.words(old)) if old is not None else []
        after = list(self.words(new)) if new is not None else []
        if before == after:
            return
        for word in before:
            if word not in after and (keys := self.keys.get(word)) is not None:
                keys.pop(key, None)
                if not keys:
                    del self.keys[word]
        for word in after:
            self.keys.setdefault(word, {})[key] = None


def version_of(obj: Object) -> int:
    """The resourceVersion as the number it is."""
    return int(obj["metadata"].get("resourceVersion") or 0)
