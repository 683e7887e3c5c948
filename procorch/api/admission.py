"""What stands between a valid request and the store: the life of namespaces, the service accounts of pods.

What admission fills into objects (tolerations, service account) is each kind's `admit`; what their classes give them is
in classes.py.
"""

from __future__ import annotations

from random import Random

from procorch.api import account_token
from procorch.api.cache import Cache
from procorch.api.request import AUTHENTICATED, MASTERS, User
from procorch.kinds import KINDS, priorityclass
from procorch.kinds.certificatesigningrequest import CLIENT_SIGNER, organizations
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.mirror import is_mirror
from procorch.objects import Forbidden, NotFound, Object

IMMORTAL = ("default", "kube-system", "kube-public")


def check_namespace(cache: Cache, kind: Kind, obj: Object) -> None:
    """A new object needs a namespace that lives. Raises NotFound, Forbidden."""
    if not kind.namespaced:
        return
    namespace = obj["metadata"].get("namespace") or ""
    entry = cache.shelf(KINDS["Namespace"]).entries.get(namespace)
    if entry is None:
        raise NotFound.of("namespaces", namespace)
    metadata = entry.object["metadata"]
    if metadata.get("deletionTimestamp") is not None:
        name = obj["metadata"].get("name", "")
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        error = Forbidden.of(kind.plural, name, why, kind.group)
        message = f"namespace {namespace} is being terminated"
        error.details["causes"] = [
            {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        ]
        raise error


def use_service_account(cache: Cache, kind: Kind, obj: Object, random: Random) -> None:
    """A pod's account must exist, or its token would never come; a pod without image pull secrets has the account's.

    Not so `default`: it is about to be made in a namespace that is new, where Kubernetes would wait for it. The mirror
    of a static pod, which began without the API, has none. Raises Forbidden.
    """
    if kind.name != "Pod" or is_mirror(obj):
        return
    namespace, name = obj["metadata"]["namespace"], obj["spec"].get("serviceAccountName") or "default"
    account = cache.shelf(KINDS["ServiceAccount"]).entries.get(f"{namespace}/{name}")
    if account is None:
        if name == "default":
            account_token.mount(obj, None, random)
            return
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise Forbidden.of("pods", obj["metadata"].get("name", ""), why)
    secrets = account.object.get("imagePullSecrets")
    if secrets and not obj["spec"].get("imagePullSecrets"):
        obj["spec"]["imagePullSecrets"] = [dict(row) for row in secrets]
    account_token.mount(obj, account.object, random)


def check_delete(kind: Kind, obj: Object) -> None:
    """Raises Forbidden for the namespaces and priority classes without which nothing works."""
    if kind.name == "PriorityClass" and priorityclass.is_system(obj["metadata"]["name"]):
        why = "this is a system priority class and cannot be deleted"
        raise Forbidden.of("priorityclasses", obj["metadata"]["name"], why, kind.group)
    if kind.name == "Namespace" and obj["metadata"]["name"] in IMMORTAL:
        raise Forbidden.of("namespaces", obj["metadata"]["name"], "this namespace may not be deleted")


def check_subject(kind: Kind, obj: Object) -> None:
    """Nobody asks for a certificate that may everything. Raises Forbidden.

    Source: plugin/pkg/admission/certificates/subjectrestriction.
    """
    if kind.name != "CertificateSigningRequest":
        return
    signer = obj["spec"]["signerName"]
    if signer == CLIENT_SIGNER and MASTERS in organizations(obj):
        name, why = obj["metadata"]["name"], f"use of {signer} signer with {MASTERS} group is not allowed"
        raise Forbidden.of(kind.plural, name, why, kind.group)


def sign(kind: Kind, obj: Object, user: User) -> None:
    """A certificate request says by whom it was made: the approver decides by that, so it is not the client's."""
    if kind.name != "CertificateSigningRequest":
        return
    spec = obj.setdefault("spec", {})
    if isinstance(spec, dict):
        spec["username"], spec["groups"] = user.name, [*user.groups, AUTHENTICATED]
        spec.pop("uid", None)
        spec.pop("extra", None)
        if user.uid:
            spec["uid"] = user.uid
