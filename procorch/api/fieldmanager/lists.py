"""Lists whose elements have owners of their own: by keys, or as a set of scalars.

Source of the rules: as in shapes.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from procorch.api.fieldmanager.fieldset import MEMBER, SELF, FieldSet, below, is_member, node_of, shown
from procorch.api.fieldmanager.shapes import Compared, Shape, dict_of, is_list, named_node, note, short


class _Associative(Shape, ABC):
    """A list whose elements are told apart by what they hold, not by where they stand."""

    is_leaf = False

    @abstractmethod
    def step(self, item: Any) -> str:
        """The element's path element."""

    @abstractmethod
    def refusal(self, item: Any) -> str | None:
        """Why the element of a configuration can have none."""

    def __init__(self, of: Shape) -> None:
        super().__init__()
        self._of = of

    def added(self, value: Any) -> FieldSet:
        if not value or not is_list(value):
            return MEMBER
        items, twice = self._indexed(value)
        return {SELF: MEMBER, **{step: self._of.added(item) for step, item in items.items()}, **twice}

    def compared(self, old: Any, new: Any) -> Compared:
        if not old and not new:
            return MEMBER, None
        before, doubled = self._indexed(old)
        after, twice = self._indexed(new)
        touched: FieldSet = {}
        gone: FieldSet = {}
        for step, item in after.items():
            if step not in before:
                touched[step] = self._of.added(item)
            elif before[step] != item:
                note(step, self._of.compared(before[step], item), touched, gone)
        for step, item in before.items():
            if step not in after:
                gone[step] = self._of.added(item)
        if doubled or twice:
            self._compare_doubles(old, new, doubled, twice, touched, gone)
        return touched or None, gone or None

    def _compare_doubles(
        self, old: Any, new: Any, doubled: FieldSet, twice: FieldSet, touched: FieldSet, gone: FieldSet
    ) -> None:
        """Elements that are not told apart have one owner together."""
        for step in twice:
            if step not in doubled:
                touched[step] = node_of(below(touched.get(step, MEMBER)), member=True)
            elif [item for item in old if self.step(item) == step] != [item for item in new if self.step(item) == step]:
                touched[step] = MEMBER
        for step in doubled:
            if step not in twice:
                gone[step] = node_of(below(gone.get(step, MEMBER)), member=True)

    def _indexed(self, value: Any) -> tuple[dict[str, Any], FieldSet]:
        """The elements by their steps; and the steps that stand more than once, as a set."""
        if not is_list(value):
            return {}, {}
        items = {self.step(item): item for item in value}
        if len(items) == len(value):
            return items, {}
        seen: set[str] = set()
        twice: FieldSet = {}
        for item in value:
            step = self.step(item)
            if step in seen:
                twice[step] = MEMBER
                items.pop(step, None)
            seen.add(step)
        return items, twice

    def applied(self, value: Any) -> FieldSet | None:
        if not is_list(value):
            return None
        return {
            self.step(item): node_of(below(self._of.applied(item) or MEMBER), member=True) for item in value
        } or None

    def merged(self, old: Any, new: Any) -> Any:
        if not is_list(old) or not old:
            return new
        if not is_list(new) or not new or old == new:
            return old
        steps = [self.step(item) for item in old]
        after = {self.step(item): item for item in new}
        before = dict(zip(steps, old, strict=True))
        if len(before) == len(old) and before.keys() == after.keys() and list(after) == steps:
            return [self._of.merged(item, after[step]) for step, item in before.items()]
        before, _ = self._indexed(old)
        result = []
        for step, index in interleaved(steps, list(after)):
            if index is not None:
                result.append(old[index])
            elif step in before:
                result.append(self._of.merged(before[step], after[step]))
            else:
                result.append(after[step])
        return result

    def without(self, value: Any, gone: FieldSet) -> Any:
        if not is_list(value):
            return value
        result = []
        for item in value:
            node = gone.get(self.step(item))
            if node is None:
                result.append(item)
            elif not is_member(node):
                left = self._of.without(item, node)
                if left is not None:
                    result.append(left)
        return result or None

    def named(self, fields: FieldSet) -> FieldSet:
        return {step: named_node(node, self._of, member=False) for step, node in fields.items()}

    def check(self, value: Any, path: str) -> Iterator[str]:
        if not is_list(value):
            if value is not None:
                yield f"{path}: expected list, got {short(value)}"
            return
        seen: set[str] = set()
        for index, item in enumerate(value):
            why = self.refusal(item)
            if why is not None:
                yield f"{path}: element {index}: {why}"
                return
            step = self.step(item)
            if step in seen:
                yield f"{path}: duplicate entries for key {shown(step)}"
            seen.add(step)
            yield from self._of.check(item, path + shown(step))


class ListMap(_Associative):
    """Elements with keys. defaults: what a key is where the element leaves it out."""

    def __init__(self, of: Shape, keys: Sequence[str], defaults: Mapping[str, Any]) -> None:
        super().__init__(of)
        self._keys = tuple(sorted(keys))
        self._defaults = {name: defaults.get(name) for name in self._keys}
        self._prefix = f'k:{{"{self._keys[0]}":' if len(self._keys) == 1 else ""

    def step(self, item: Any) -> str:
        found = dict_of(item).get
        if self._prefix:
            value = found(self._keys[0])
            if value.__class__ is str and value.isidentifier():  # as most are: nothing in it to escape
                return f'{self._prefix}"{value}"}}'
            value = found(self._keys[0], self._defaults[self._keys[0]])
            return f"{self._prefix}{orjson.dumps(value).decode()}}}"
        keys = {name: found(name, default) for name, default in self._defaults.items()}
        return "k:" + orjson.dumps(keys).decode()

    def refusal(self, item: Any) -> str | None:
        if item is None:
            return "associative list with keys may not have a null element"
        if not isinstance(item, dict):
            return "associative list with keys may not have non-map elements"
        for name in self._keys:
            if name not in item and self._defaults[name] is None:
                words = "associative list with keys has an element that omits key field"
                return f'{words} "{name}" (and doesn\'t have default value)'
        return None


class ListSet(_Associative):
    """Scalars, each once."""

    def step(self, item: Any) -> str:
        return "v:" + orjson.dumps(item).decode()

    def refusal(self, item: Any) -> str | None:
        if item is None:
            return "associative list without keys has an element that's an explicit null"
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        return "not supported: associative list with lists as elements" if isinstance(item, list) else None


def interleaved(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """The order of a merged list: each step with its index in `old` where it stands there alone.

    What is applied keeps the order in which it is applied. What stands there alone stays between the neighbours that it
    had, as far as that is possible.
    """
    wanted = set(new)
    shared = iter([step for step in new if step in set(old)])
    awaited = next(shared, None)  # the next of `new` that stands in `old` too
    done: set[str] = set()
    left = right = 0
    while left < len(old) or right < len(new):
        if left < len(old):
            mine = old[left]
            moved = mine in wanted and right < len(new) and mine != new[right] and awaited not in (None, mine)
            if mine not in wanted:
                yield mine, left
            if mine not in wanted or moved:
                left += 1
                continue
            if mine in done:
                left += 1
        if right == len(new):
            continue
        step = new[right]
        yield step, None
        done.add(step)
        right += 1
        if left < len(old) and old[left] == step:
            left += 1
        if step == awaited:
            awaited = next(shared, None)
