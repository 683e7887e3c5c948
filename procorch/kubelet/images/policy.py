"""imagePullPolicy: whether a registry is asked, given what is there. A pure function.

Only what a registry serves is a matter of this policy. What the node has of its own (host, schemes, archives that were
loaded by name, Image objects) is there or not, whatever the policy.
Source: Kubernetes' shouldPullImage, and its rule (1.35) that an image which was pulled with credentials is for those
who have such.
"""

from __future__ import annotations

from enum import Enum


class Step(Enum):
    """What to do for an image of a registry."""

    USE = "it is there, and everyone may"
    VERIFY = "it is there: for whoever has credentials that had access; the registry is asked about others"
    RECOGNIZE = "the same, but nobody is asked"
    PULL = "the registry says what it is now"
    ABSENT = "it is not there, and nobody may be asked"
    UNKNOWN = "it is not there, and nobody is to be asked"


def next_step(policy: str, *, present: bool, private: bool, servable: bool) -> Step:
    """policy: empty for IfNotPresent. private: it was pulled with credentials. servable: a registry is configured."""
    if policy == "Always":
        return Step.PULL if servable else Step.UNKNOWN
    if not present:
        return Step.ABSENT if policy == "Never" else Step.PULL if servable else Step.UNKNOWN
    if not private:
        return Step.USE
    return Step.VERIFY if servable and policy != "Never" else Step.RECOGNIZE
