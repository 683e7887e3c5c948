"""Which modules have no test file of their own: `runtime/cgroups.py` wants `tests/runtime/test_cgroups.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("procorch", "runtime", "network", "store", "cli")
ELSEWHERE: dict[str, str] = {}  # module → why its tests stand elsewhere, and where


def missing() -> list[str]:
    found = []
    for package in PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            name = module.relative_to(ROOT)
            if name.name.startswith("__") or str(name) in ELSEWHERE:
                continue
            if not (ROOT / "tests" / name.parent / f"test_{name.name}").exists():
                found.append(str(name))
    return found


def main() -> None:
    gone = [name for name in ELSEWHERE if not (ROOT / name).exists()]
    if gone:
        sys.exit(f"tools/check_tests.py names modules that are no more: {', '.join(gone)}")
    if lacking := missing():
        sys.exit("no test file of their own:\n  " + "\n  ".join(lacking))


if __name__ == "__main__":
    main()
