"""Join tokens: what a new node shows to be let in, and how it knows that it speaks with the right cluster.

The text is `<id>.<secret>@<fingerprint of the CA>`. The first two parts are a Kubernetes bootstrap token, kept as a
Secret in kube-system; the last lets the node check the CA that it is offered before it sends the secret to anybody.
Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

from procorch.clock import timestamp
from procorch.objects import Object

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_ALPHABET = string.ascii_lowercase + string.digits
_TEXT = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})(?:@([0-9a-f]{64}))?")


@dataclass(frozen=True, slots=True)
class Token:
    """id: public, 6 characters. secret: 16 characters. ca: SHA-256 of the CA's DER form in hex, or empty."""

    id: str
    secret: str
    ca: str = ""

    @classmethod
    def new(cls, ca: str) -> Token:
        return cls(_random(6), _random(16), ca)

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises ValueError that says what a token looks like."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError("not a join token: expected <6 characters>.<16 characters>@<64 hex digits>")
        return cls(found[1], found[2], found[3] or "")

    @property
    def bearer(self) -> str:
        """What goes into the Authorization header."""
        return f"{self.id}.{self.secret}"

    def __str__(self) -> str:
        return f"{self.bearer}@{self.ca}" if self.ca else self.bearer


def secret_of(token: Token, *, expires: float | None, description: str = "") -> Object:
    """The Secret that makes the token valid. expires: seconds since the epoch; None for a token without an end."""
    data = {
        "token-id": token.id,
        "token-secret": token.secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": f"{GROUP}:procorch:default-node-token",
    }
    if expires is not None:
        data["expiration"] = timestamp(expires)
    if description:
        data["description"] = description
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{token.id}", "namespace": NAMESPACE},
        "type": SECRET_TYPE,
        "stringData": data,
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
