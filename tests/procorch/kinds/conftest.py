"""How an object passes the door in these tests: defaulted, prepared, admitted, checked, as the API does it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.kinds.metadata import validate_metadata
from procorch.objects import Object

Enter = Callable[..., tuple[Object, list[str]]]


@pytest.fixture
def enter() -> Enter:
    """enter(obj, old=None, **spec) → the object as it would be stored, and what is wrong with it, a line a cause."""

    def enter(obj: Object, old: Object | None = None, **spec: Any) -> tuple[Object, list[str]]:
        kind = KINDS.of(obj)
        made = copy.deepcopy(obj)
        if spec:
            made.setdefault("spec", {}).update(copy.deepcopy(spec))
        kind.default(made)
        if old is None:
            kind.admit(made)
        kind.prepare(made, copy.deepcopy(old))
        causes = [*validate_metadata(kind, made, old), *kind.validate(made, old)]
        return made, [f"{cause.field}: {cause.message}" for cause in causes]

    return enter
