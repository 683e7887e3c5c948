"""The query of a list, a watch, a deletecollection or a write, checked as Kubernetes checks it.

Source of rules and words: apimachinery pkg/apis/meta/internalversion/validation, apiserver pkg/storage
(ValidateListOptions), and Go's strconv, whose complaints clients get to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from procorch.api.go import misread
from procorch.api.request import is_true, values_of
from procorch.durations import misread_duration
from procorch.kinds.kind import Kind
from procorch.objects import BadRequest, Cause, Invalid

_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
LONGEST_MANAGER = 128  # bytes of a field manager's name
EXACT, NOT_OLDER = "Exact", "NotOlderThan"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """limit: objects a page, 0 for all. token: `continue`. version: None where none was asked for.

    exact: as of `version`, no later. initial: of a watch, whether it begins with the present state: None where that
    follows from the version. timeout: seconds that a watch lasts, 0 for the server's choice.
    """

    limit: int = 0
    token: str = ""
    version: int | None = None
    exact: bool = False
    initial: bool | None = None
    bookmarks: bool = False
    timeout: int = 0


def list_options(query: Mapping[str, str]) -> ListOptions:
    """Of a list or deletecollection. Raises BadRequest, Invalid."""
    _, limit = _numbers(query)
    limit = max(limit, 0)  # a negative one is taken for none, as by Kubernetes
    match, version, token = (query.get(name, "") for name in ("resourceVersionMatch", "resourceVersion", "continue"))
    causes = []
    if match and not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    if match and token:
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    if match not in ("", EXACT, NOT_OLDER):
        causes.append(Cause.unsupported("resourceVersionMatch", match, (EXACT, NOT_OLDER, "")))
    if match == EXACT and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    if "sendInitialEvents" in query:
        causes.append(Cause.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse(causes)
    if token and version not in ("", "0"):
        raise BadRequest.of("specifying resource version is not allowed when using continue")
    number = version_of(version)
    # A page of a version that was named is of that version: so the first page is what the others go on from.
    exact = match == EXACT or (not match and limit > 0 and bool(number))
    return ListOptions(limit, token, number, exact)


def watch_options(query: Mapping[str, str], kind: Kind) -> ListOptions:
    """Raises BadRequest, Invalid."""
    timeout, _ = _numbers(query)
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    initial = is_true(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    if initial is None and not match and version in ("", "0"):
        initial, match = True, NOT_OLDER  # the default since watches can begin with a list
    causes = []
    if initial is not None and match != NOT_OLDER:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    if match and initial is None:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    if match not in ("", NOT_OLDER):
        causes.append(Cause.unsupported("resourceVersionMatch", match, (NOT_OLDER,)))
    if match and query.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(Cause.forbidden("resourceVersionMatch", why))
    _refuse(causes)
    wrong = _wrong_version(version)
    if wrong is not None:
        raise Invalid.of(kind.plural, "", [wrong], kind.group)
    bookmarks = is_true(query, "allowWatchBookmarks")
    return ListOptions(0, "", int(version) if version else None, False, initial, bookmarks, timeout)


def check_timeout(query: Mapping[str, str]) -> None:
    """`timeout`, which any request that does not last may say. Raises BadRequest.

    It must be a duration; deadline.py keeps it.
    """
    why = misread_duration(query["timeout"]) if query.get("timeout") else None
    if why is not None:
        raise BadRequest.of(f"invalid timeout specified in the request URL - {why}")


def _numbers(query: Mapping[str, str]) -> tuple[int, int]:
    """timeoutSeconds and limit, which must be numbers also where they mean nothing: in this order they are decoded."""
    return max(_number(query, "timeoutSeconds"), 0), _number(query, "limit")  # a negative time is none


def check_write(verb: str, query: Mapping[str, str], *, applies: bool = False) -> None:
    """What every create, update and patch may say. applies: it is a server-side apply. Raises Invalid."""
    if not query and not applies:
        return
    causes = []
    if verb == "patch" and not applies and "force" in query:
        causes.append(Cause.forbidden("force", "may not be specified for non-apply patch"))
    manager = query.get("fieldManager", "")
    if applies and not manager:
        causes.append(Cause.required("fieldManager", "is required for apply patch"))
    if len(manager.encode("utf-8", "surrogatepass")) > LONGEST_MANAGER:
        causes.append(Cause.too_long("fieldManager", LONGEST_MANAGER))
    if not manager.isprintable():
        causes.append(Cause.invalid("fieldManager", manager, "should only contain printable characters"))
    dry_runs = values_of(query, "dryRun")
    if any(value not in ("", "All") for value in dry_runs):
        causes.append(Cause.unsupported("dryRun", dry_runs, ("All",)))
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        causes.append(Cause.unsupported("fieldValidation", validation, _VALIDATIONS))
    if causes:
        raise Invalid.of(f"{verb.title()}Options", "", causes, "meta.k8s.io")


def version_of(text: str) -> int | None:
    """A resourceVersion parameter of a get or a list; None for none. Raises BadRequest."""
    wrong = _wrong_version(text)
    if wrong is not None:
        raise BadRequest.of(f"invalid resource version: {wrong.field}: {wrong.message}")
    return int(text) if text else None


def _number(query: Mapping[str, str], name: str) -> int:
    """A parameter that is a whole number of 64 bits; 0 where it is absent. Raises BadRequest."""
    text = query.get(name)
    if text is None:
        return 0
    why = misread(text, "ParseInt", -(1 << 63), (1 << 63) - 1)
    if why is not None:
        raise BadRequest.of(why)
    return int(text)


def _wrong_version(text: str) -> Cause | None:
    if not text:
        return None
    why = misread(text, "ParseUint", 0, (1 << 64) - 1)
    return None if why is None else Cause.invalid("resourceVersion", text[:100], why)


def _refuse(causes: list[Cause]) -> None:
    if causes:
        raise Invalid.of("ListOptions", "", causes, "meta.k8s.io")
