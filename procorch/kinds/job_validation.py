"""What may be wrong with a Job's specification, in a Job and in a CronJob.

Source: pkg/apis/batch/validation (validateJobSpec, validatePodFailurePolicy, validateSuccessPolicy).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, number, part, rows, text
from procorch.kinds.podspec.validation import validate_template
from procorch.kinds.workload import not_negative
from procorch.names import dns_subdomain, label_key
from procorch.objects import Cause, Struct

_NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
            "backoffLimitPerIndex", "maxFailedIndexes")  # fmt: skip
_MOST_INDEXES = 100_000
_MANY, _MOST_OF_MANY = 100_000, 10_000
_LONGEST_MANAGER = 63
_MOST_RULES, _MOST_CODES = 20, 255
_LONGEST_INDEXES = 64 * 1024
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", re.ASCII)
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")


def validate_job_spec(spec: Fields, path: str) -> Iterator[Cause]:
    yield from not_negative(spec, path, *_NUMBERS)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield Cause.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if (manager := spec.get("managedBy")) is not None:
        yield from _manager(text(manager), f"{path}.managedBy")
        if len(text(manager).encode(errors="replace")) > _LONGEST_MANAGER:
            yield Cause.too_long(f"{path}.managedBy", _LONGEST_MANAGER)
    mode = spec.get("completionMode")
    if mode == "Indexed":
        yield from _indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield Cause.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    else:
        yield Cause.unsupported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if isinstance(spec.get("podFailurePolicy"), dict):
        yield from _failure_policy(spec, f"{path}.podFailurePolicy")
    if isinstance(success := spec.get("successPolicy"), dict):
        if mode != "Indexed":
            shown = [
                {"SucceededIndexes": row.get("succeededIndexes"), "SucceededCount": row.get("succeededCount")}
                for row in rows(success.get("rules"))
            ]
            yield Cause.invalid(f"{path}.successPolicy", Struct(Rules=shown), "requires indexed completion mode")
        else:
            yield from _success_policy(success, number(spec.get("completions")) or 0, f"{path}.successPolicy.rules")
    yield from _replacement(spec, f"{path}.podReplacementPolicy")
    yield from validate_template(part(spec, "template"), f"{path}.template")
    yield from _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _manager(name: str, path: str) -> Iterator[Cause]:
    """`example.com/queue`. Source: apimachinery pkg/util/validation, IsDomainPrefixedPath."""
    domain, _, rest = name.partition("/")
    if not name:
        yield Cause.required(path)
    elif not domain or not rest:
        yield Cause.invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        for message in dns_subdomain(domain):
            yield Cause.invalid(path, domain, message)
        if not _PATH.fullmatch(rest):
            yield Cause.invalid(path, rest, f"Invalid path (regex used for validation is '{_PATH.pattern}')")


def _restart_policy(spec: Fields, path: str) -> Iterator[Cause]:
    policy = part(spec, "template", "spec").get("restartPolicy")
    if policy in ("Always", "", None):  # also where nobody said it: a Job has to be told
        yield Cause.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield Cause.unsupported(path, policy, ("OnFailure", "Never"))
    elif isinstance(spec.get("podFailurePolicy"), dict) and policy != "Never":
        yield Cause.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _indexed(spec: Fields, path: str) -> Iterator[Cause]:
    completions, parallelism, failures = (
        number(spec.get(field)) for field in ("completions", "parallelism", "maxFailedIndexes")
    )
    if completions is None:
        yield Cause.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > _MOST_INDEXES:
        detail = f"must be less than or equal to {_MOST_INDEXES} when completion mode is Indexed"
        yield Cause.invalid(f"{path}.parallelism", parallelism, detail)
    if completions is not None and failures is not None and failures > completions:
        yield Cause.invalid(f"{path}.maxFailedIndexes", failures, "must be less than or equal to completions")
    if failures is not None and failures > _MOST_INDEXES:
        yield Cause.invalid(f"{path}.maxFailedIndexes", failures, f"must be less than or equal to {_MOST_INDEXES}")
    if completions is None or completions <= _MANY or spec.get("backoffLimitPerIndex") is None:
        return
    if failures is None:
        detail = f"must be specified when completions is above {_MANY}"
        yield Cause.required(f"{path}.maxFailedIndexes", detail)
    for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failures)):
        if value is not None and value > _MOST_OF_MANY:
            yield Cause.invalid(
                f"{path}.{field}",
                value,
                f"must be less than or equal to {_MOST_OF_MANY} when completions are above {_MANY} "
                "and used with backoff limit per index",
            )


def _replacement(spec: Fields, path: str) -> Iterator[Cause]:
    policy = spec.get("podReplacementPolicy")
    choice = ("Failed",) if isinstance(spec.get("podFailurePolicy"), dict) else _REPLACEMENTS
    if policy is not None and policy not in choice:
        yield Cause.unsupported(path, policy, choice)


def _failure_policy(spec: Fields, path: str) -> Iterator[Cause]:
    pods = part(spec, "template", "spec")
    names = [text(one.get("name")) for group in ("containers", "initContainers") for one in rows(pods.get(group))]
    rules = rows(part(spec, "podFailurePolicy").get("rules"))
    if len(rules) > _MOST_RULES:
        yield Cause.too_many(f"{path}.rules", len(rules), _MOST_RULES)
    for where, rule in indexed(rules, f"{path}.rules"):
        action, codes, conditions = text(rule.get("action")), rule.get("onExitCodes"), rows(rule.get("onPodConditions"))
        yield from _one_of(action, f"{where}.action", _ACTIONS)
        if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            yield Cause.invalid(f"{where}.action", action, "requires the backoffLimitPerIndex to be set")
        if isinstance(codes, dict):
            yield from _exit_codes(codes, f"{where}.onExitCodes", names)
        yield from _conditions(conditions, f"{where}.onPodConditions")
        if isinstance(codes, dict) and conditions:
            yield _plainly(where, "specifying both OnExitCodes and OnPodConditions is not supported")
        if not isinstance(codes, dict) and not conditions:
            yield _plainly(where, "specifying one of OnExitCodes and OnPodConditions is required")


def _plainly(path: str, detail: str) -> Cause:
    """About a value that is too long to be shown."""
    return Cause(path, f"Invalid value: {detail}")


def _one_of(value: str, path: str, choice: tuple[str, ...]) -> Iterator[Cause]:
    if not value:
        shown = " ".join(f'"{one}"' for one in choice)
        yield Cause.required(path, f"valid values: [{shown}]")
    elif value not in choice:
        yield Cause.unsupported(path, value, choice)


def _conditions(conditions: list[Fields], path: str) -> Iterator[Cause]:
    if len(conditions) > _MOST_RULES:
        yield Cause.too_many(path, len(conditions), _MOST_RULES)
    for where, pattern in indexed(conditions, path):
        for message in label_key(text(pattern.get("type"))):
            yield Cause.invalid(f"{where}.type", text(pattern.get("type")), message)
        yield from _one_of(text(pattern.get("status")), f"{where}.status", _STATUSES)


def _exit_codes(codes: Fields, path: str, containers: list[str]) -> Iterator[Cause]:
    operator, container = text(codes.get("operator")), codes.get("containerName")
    yield from _one_of(operator, f"{path}.operator", _OPERATORS)
    if container is not None and container not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield Cause.invalid(f"{path}.containerName", container, detail)
    given = codes.get("values")
    values = [number(one) or 0 for one in given] if isinstance(given, list) else []
    if not values:
        yield Cause.invalid(f"{path}.values", given, "at least one value is required")
    elif len(values) > _MOST_CODES:
        yield Cause.too_many(f"{path}.values", len(values), _MOST_CODES)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield Cause.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            yield Cause.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    if values != sorted(values):
        yield Cause.invalid(f"{path}.values", values, "must be ordered")


def _success_policy(policy: Fields, completions: int, path: str) -> Iterator[Cause]:
    rules = rows(policy.get("rules"))
    if not rules:
        yield Cause.required(path, "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > _MOST_RULES:
        yield Cause.too_many(path, len(rules), _MOST_RULES)
    for where, rule in indexed(rules, path):
        indexes, count = rule.get("succeededIndexes"), number(rule.get("succeededCount"))
        if indexes is None and count is None:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            yield Cause.required(where, detail)
        total = 0
        if indexes is not None:
            if len(text(indexes)) > _LONGEST_INDEXES:
                yield Cause.too_long(f"{where}.succeededIndexes", _LONGEST_INDEXES)
                continue
            try:
                total = sum(last - first + 1 for first, last in read_indexes(text(indexes), completions))
            except ValueError as error:
                detail = f"error parsing succeededIndexes: {error}"
                yield Cause.invalid(f"{where}.succeededIndexes", indexes, detail)
        if count is None:
            continue
        yield from not_negative(rule, where, "succeededCount")
        if count > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            yield Cause.invalid(f"{where}.succeededCount", count, detail)
        if indexes is not None and count > total:
            detail = (
                f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            )
            yield Cause.invalid(f"{where}.succeededCount", count, detail)


def read_indexes(text_: str, completions: int) -> list[tuple[int, int]]:
    """`1,3-5` as first and last of each interval. Raises ValueError in Kubernetes' words."""
    found: list[tuple[int, int]] = []
    for interval in text_.split(",") if text_ else ():
        ends = interval.split("-")
        if len(ends) > 2:
            raise ValueError(
                f'the fragment "{interval}" violates the requirement that an index interval can have at most '
                "two parts separated by '-'"
            )
        first, last = _index(ends[0], completions), _index(ends[-1], completions)
        if len(ends) == 2 and first >= last:
            raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
        if found and found[-1][1] >= first:
            raise ValueError(f"non-increasing order, previous: {found[-1][1]}, current: {first}")
        found.append((first, last))
    return found


def _index(text_: str, completions: int) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,18}", text_, re.ASCII):
        raise ValueError(f'cannot convert string to integer for index: "{text_}"')
    if int(text_) >= completions:
        raise ValueError(f'too large index: "{text_}"')
    return int(text_)
