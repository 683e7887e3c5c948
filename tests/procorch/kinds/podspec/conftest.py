"""What is wrong with a pod that differs in one thing from a good one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

Problems = Callable[..., list[str]]


def made(container: dict[str, Any] | None = None, **spec: Any) -> Object:
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"containers": [{"name": "web", "image": "nginx", **(container or {})}], **copy.deepcopy(spec)},
    }
    KINDS["Pod"].default(pod)
    return pod


@pytest.fixture
def defaulted() -> Callable[..., Object]:
    """defaulted(container={…}, **spec) → the specification with its defaults."""
    return lambda container=None, **spec: made(container, **spec)["spec"]


@pytest.fixture
def problems() -> Problems:
    """problems(container={…}, **spec) → a line a cause."""

    def problems(container: dict[str, Any] | None = None, **spec: Any) -> list[str]:
        causes = KINDS["Pod"].validate(made(container, **spec), None)
        return [f"{cause.field}: {cause.message}" for cause in causes]

    return problems
