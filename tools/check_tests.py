"""Which modules have no test file of their own: `runtime/cgroups.py` wants `tests/runtime/test_cgroups.py`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("procorch", "runtime", "network", "store", "cli")
# module → the test file that covers it, where one of its own would only repeat that one
ELSEWHERE: dict[str, str] = {
    "cli/agent.py": "tests/e2e/test_join.py",
    "cli/down.py": "tests/e2e/test_lifecycle.py",
    "cli/master.py": "tests/e2e/test_join.py",
    "cli/reset.py": "tests/e2e/test_lifecycle.py",
    "procorch/api/verbs.py": "tests/procorch/api/test_api.py",
    "procorch/kubelet/images/resolved.py": "tests/procorch/kubelet/images/test_resolver.py",
    "procorch/kubelet/pod_worker.py": "tests/procorch/kubelet/test_kubelet.py",
    "procorch/kubelet/surroundings.py": "tests/procorch/kubelet/test_kubelet.py",
    "procorch/kubelet/volumes/empty_dir.py": "tests/procorch/kubelet/volumes/test_volumes.py",
    "procorch/kubelet/volumes/host_path.py": "tests/procorch/kubelet/volumes/test_volumes.py",
    "procorch/kubelet/volumes/projected.py": "tests/procorch/kubelet/volumes/test_volumes.py",
    "procorch/link_stream.py": "tests/procorch/test_link.py",
    "runtime/holder.py": "tests/runtime/test_sandbox.py",
    "runtime/spare.py": "tests/runtime/test_zygote.py",
    "store/check.py": "tests/cli/test_check.py",
    "store/committing.py": "tests/store/test_log.py",
    "store/dialects/inspection.py": "tests/store/test_damage.py",
    "store/dialects/journal.py": "tests/store/test_damage.py",
    "store/dialects/ownership.py": "tests/store/dialects/test_sqlite.py",
    "store/dialects/postgresql_feed.py": "tests/store/test_shared.py",
    "store/dialects/postgresql_news.py": "tests/store/test_shared.py",
    "store/dialects/postgresql_session.py": "tests/store/test_shared.py",
    "store/dialects/sqlite_session.py": "tests/store/dialects/test_sqlite.py",
    "store/errors.py": "tests/store/test_log.py",
    "store/news.py": "tests/store/test_head.py",
    "store/publication.py": "tests/store/test_model.py",
    "store/retention.py": "tests/store/test_compaction.py",
    "store/schema.py": "tests/store/dialects/test_sqlite.py",
}


def missing() -> list[str]:
    found = []
    for package in PACKAGES:
        for module in sorted((ROOT / package).rglob("*.py")):
            name = module.relative_to(ROOT)
            if name.name.startswith("__") or str(name) in ELSEWHERE:
                continue
            if not _own_test(name).exists():
                found.append(str(name))
    return found


def _own_test(module: Path) -> Path:
    return ROOT / "tests" / module.parent / f"test_{module.name}"


def main() -> None:
    gone = [name for name in ELSEWHERE if not (ROOT / name).exists()]
    if gone:
        sys.exit(f"tools/check_tests.py names modules that are no more: {', '.join(gone)}")
    if lost := sorted({test for test in ELSEWHERE.values() if not (ROOT / test).exists()}):
        sys.exit(f"tools/check_tests.py names tests that are no more: {', '.join(lost)}")
    if lacking := missing():
        sys.exit("no test file of their own:\n  " + "\n  ".join(lacking))


if __name__ == "__main__":
    main()
