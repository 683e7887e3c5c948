"""Linux processes and their fences: sandboxes, cgroups, mounts, logs.

The names below are loaded when first asked for: the zygote imports this package too, and every module that it does
not need would be paid for once a sandbox.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    from .sandbox import Sandbox as Sandbox
    from .spec import Capabilities as Capabilities
    from .spec import Limits as Limits
    from .spec import Mount as Mount
    from .spec import ProcessSpec as ProcessSpec
    from .spec import ProcessState as ProcessState
    from .spec import Ran as Ran
    from .spec import Root as Root
    from .spec import RuntimeFailed as RuntimeFailed
    from .spec import SandboxSpec as SandboxSpec
    from .spec import User as User
    from .supervise import Runtime as Runtime

_HOME = {"Runtime": "supervise", "Sandbox": "sandbox"}
__all__ = [
    "Capabilities",
    "Limits",
    "Mount",
    "ProcessSpec",
    "ProcessState",
    "Ran",
    "Root",
    "Runtime",
    "RuntimeFailed",
    "Sandbox",
    "SandboxSpec",
    "User",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"runtime.{_HOME.get(name, 'spec')}"), name)
