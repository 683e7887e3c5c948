"""When a container is started again, by its own word: restartPolicy and restartPolicyRules.

Source: pkg/apis/core/validation (validateContainerRestartPolicy); KEP-5307, KEP-5532.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, rows, text
from procorch.objects import Cause

_POLICIES = ("Always", "Never", "OnFailure")
_ACTIONS = ("Restart", "RestartAllContainers")
_OPERATORS = ("In", "NotIn")
_MOST_RULES, _MOST_CODES = 20, 255


def validate_restarts(container: Fields, path: str) -> Iterator[Cause]:
    """path: the container's."""
    policy, rules = container.get("restartPolicy"), rows(container.get("restartPolicyRules"))
    if policy is None and rules:
        yield Cause.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy is not None and policy not in _POLICIES:
        yield Cause.unsupported(f"{path}.restartPolicy", policy, _POLICIES)
    if len(rules) > _MOST_RULES:
        yield Cause.too_many(f"{path}.restartPolicyRules", len(rules), _MOST_RULES)
    for where, rule in indexed(rules, f"{path}.restartPolicyRules"):
        if text(rule.get("action")) not in _ACTIONS:
            yield Cause.unsupported(f"{where}.action", text(rule.get("action")), _ACTIONS)
        codes = rule.get("exitCodes")
        if isinstance(codes, dict):
            yield from _codes(codes, f"{where}.exitCodes")
        else:
            yield Cause.required(f"{where}.exitCodes", "must be specified")


def _codes(codes: Fields, path: str) -> Iterator[Cause]:
    if text(codes.get("operator")) not in _OPERATORS:
        yield Cause.unsupported(f"{path}.operator", text(codes.get("operator")), _OPERATORS)
    values = codes.get("values")
    count = len(values) if isinstance(values, list) else 0
    if not count:
        yield Cause.invalid(f"{path}.values", values, "must have at least one value")
    elif count > _MOST_CODES:
        yield Cause.too_many(f"{path}.values", count, _MOST_CODES)
