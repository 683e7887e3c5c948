"""/livez, /readyz and /healthz: one word, or the checks by name.

Source of the forms: apiserver pkg/server/healthz. `exclude` leaves a check out, as often as it is given; a check alone
(`/readyz/store`) tells why it fails, the whole does not, since everybody may ask. What was answered as a whole is
counted, for `/metrics/slis` (component-base metrics/prometheus/slis).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from procorch.api.request import Response, text, values_of
from procorch.api.routes import not_found
from procorch.exposition import Family, labels


@dataclass(frozen=True, slots=True)
class Check:
    """why: what is wrong, empty for nothing. note: what whoever asks for more should know though it is no failure."""

    name: str
    why: str = ""
    note: str = ""


class Tally:
    """What the checks said whenever they were asked."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._counts: defaultdict[str, int] = defaultdict(int)

    def add(self, where: str, check: Check) -> None:
        """where: livez, readyz or healthz."""
        self._last[labels(name=check.name, type=where)] = float(not check.why)
        self._counts[labels(name=check.name, status="error" if check.why else "success", type=where)] += 1

    def families(self) -> list[Family]:
        return [
            Family(
                "kubernetes_healthcheck", "Whether the check was passed when it was last asked.", "gauge", self._last
            ),
            Family(
                "kubernetes_healthchecks_total", "Checks that were asked, by how they ended.", "counter", self._counts
            ),
        ]


def answer(segments: Sequence[str], query: Mapping[str, str], checks: Sequence[Check], tally: Tally) -> Response:
    """segments: of the path, `livez` and perhaps a check's name. Raises NotFound for a check that there is not."""
    if len(segments) > 1:
        return _one("/".join(segments[1:]), "verbose" in query, checks)
    excluded = dict.fromkeys(values_of(query, "exclude"))
    lines, failed = [], False
    for check in checks:
        if check.name in excluded:
            lines.append(f"[+]{check.name} excluded: ok")
            continue
        tally.add(segments[0], check)
        if check.why:
            failed = True
            lines.append(f"[-]{check.name} failed: reason withheld")
        else:
            lines.append(f"[+]{check.name} ok")
    unknown = sorted(set(excluded) - {check.name for check in checks})
    if unknown:
        shown = ",".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {shown}")
    if failed:
        return _said("\n".join([*lines, f"{segments[0]} check failed"]) + "\n", 500)
    if "verbose" not in query:
        return _said("ok")
    return _said("\n".join([*lines, f"{segments[0]} check passed"]) + "\n")


def _one(name: str, verbose: bool, checks: Sequence[Check]) -> Response:
    check = next((check for check in checks if check.name == name), None)
    if check is None:
        raise not_found()
    if check.why:
        return _said(f"internal server error: {check.why}\n", 500)
    return _said(f"[!]{name} {check.note}\nok" if verbose and check.note else "ok")


def _said(body: str, status: int = 200) -> Response:
    response = text(body, status)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
