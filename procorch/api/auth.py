"""Who asks: client certificates, ServiceAccount tokens, bootstrap tokens, static tokens. Wrong is always 401.

The certificate is checked by TLS itself; what arrives here is a User that the transport vouches for.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from procorch.api import issuer as issuer_keys
from procorch.api.request import MASTERS, Request, User
from procorch.clock import Clock, parse_timestamp
from procorch.objects import Forbidden, Object, Unauthorized

Lookup = Callable[[str, str], Object | None]
"""(kind's name, key) → the object as it stands."""

_SCALAR = 32  # bytes of one number of a P-256 signature
_IN_PROTOCOL = "base64url.bearer.authorization.k8s.io."
_SKEW = 60.0  # seconds by which a clock elsewhere may be ahead


class Authenticator:
    """service_accounts: the tokens of pods; tokens: static ones, token → User; lookup: reads the cluster."""

    def __init__(
        self,
        lookup: Lookup,
        clock: Clock,
        service_accounts: ServiceAccountTokens | None = None,
        tokens: Mapping[str, User] | None = None,
    ) -> None:
        self._lookup = lookup
        self._clock = clock
        self._service_accounts = service_accounts
        self._tokens = dict(tokens or {})

    def authenticate(self, request: Request) -> User:
        """Raises Unauthorized: no credential, or one that is not good."""
        if request.user is not None:
            return request.user
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized.of()
        found = self.review(token)
        if found is None:
            raise Unauthorized.of()
        return found[0]

    def review(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, list[str]] | None:
        """Whose token it is, and for which of the audiences it is good (the API is the only one where none are
        named); None for a token that is not good for any of them."""
        if token.count(".") == 2 and self._static(token) is None:
            return self._of_service_account(token, audiences)
        user = self._static(token) or self._bootstrap(token)
        own = self._service_accounts.issuer if self._service_accounts is not None else ""
        if user is None or (audiences and own not in audiences):
            return None
        return user, [own] if own else []

    def _static(self, token: str) -> User | None:
        given = token.encode()
        found = None
        for known, user in self._tokens.items():  # all of them: the time taken tells nothing
            if hmac.compare_digest(known.encode(), given):
                found = user
        return found

    def _bootstrap(self, token: str) -> User | None:
        """Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens"."""
        identity, _, secret = token.partition(".")
        found = self._lookup("Secret", f"kube-system/bootstrap-token-{identity}")
        if found is None or found.get("type") != "bootstrap.kubernetes.io/token":
            return None
        if found["metadata"].get("deletionTimestamp") is not None:
            return None
        data = {name: _unbase64(value) for name, value in (found.get("data") or {}).items()}
        if data.get("token-id") != identity.encode() or data.get("usage-bootstrap-authentication") != b"true":
            return None
        if not hmac.compare_digest(data.get("token-secret", b""), secret.encode()) or not secret:
            return None
        if "expiration" in data:
            try:
                if parse_timestamp(data["expiration"].decode()) <= self._clock():
                    return None
            except ValueError:
                return None
        extra = data.get("auth-extra-groups", b"").decode("utf-8", "replace").split(",")
        groups = [group for group in extra if group.startswith("system:bootstrappers:")]
        return User(f"system:bootstrap:{identity}", ("system:bootstrappers", *groups))

    def _of_service_account(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]] | None:
        if self._service_accounts is None:
            return None
        audiences = audiences or (self._service_accounts.issuer,)
        claims = self._service_accounts.verify(token, self._clock(), audiences)
        if claims is None:
            return None
        said = claims.get("kubernetes.io")
        if not isinstance(said, dict):
            return None
        namespace, account = said.get("namespace"), said.get("serviceaccount") or {}
        found = self._lookup("ServiceAccount", f"{namespace}/{account.get('name')}")
        if found is None or found["metadata"].get("uid") != account.get("uid"):
            return None
        if not self._is_bound(str(namespace), said):
            return None
        user = service_account_user(str(namespace), account["name"], account["uid"], said, str(claims.get("jti", "")))
        return user, [audience for audience in audiences if audience in claims["aud"]]

    def _is_bound(self, namespace: str, said: Mapping[str, Any]) -> bool:
        """Whether the object that the token was made for is still there; a pod's node may come and go."""
        for claim, kind in (("pod", "Pod"), ("secret", "Secret"), ("node", "Node")):
            if (bound := said.get(claim)) is not None:
                key = bound.get("name") if kind == "Node" else f"{namespace}/{bound.get('name')}"
                return bool(_uid(self._lookup(kind, str(key))) == bound.get("uid"))
        return True


def token_among(protocols: str) -> tuple[str, str]:
    """What `Sec-WebSocket-Protocol` offers without the token that stands there (empty where there is none), and that:
    a program in a browser cannot set the header Authorization. Another protocol must be offered beside it, or the token
    would be the answer's. Source: k8s.io/apiserver's authentication/request/websocket.
    """
    rest: list[str] = []
    tokens: list[str] = []
    for one in (part.strip() for part in protocols.split(",")):
        (tokens if one.startswith(_IN_PROTOCOL) else rest).append(one)
    try:
        token = _unbase64url(tokens[0].removeprefix(_IN_PROTOCOL).encode()).decode() if len(tokens) == 1 else ""
    except ValueError:  # of base64, of UTF-8
        token = ""
    return ", ".join(rest), token if any(rest) else ""


def impersonated(user: User, headers: Mapping[str, str]) -> User:
    """As whom the request is judged: the user, or who an administrator's `kubectl --as` names. Raises Forbidden."""
    name = headers.get("impersonate-user", "")
    groups = tuple(group.strip() for group in headers.get("impersonate-group", "").split(",") if group.strip())
    if not name and not groups:
        return user
    if MASTERS not in user.groups or not name:
        why = f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
        raise Forbidden.of("users", name, why)
    return User(name, groups)


def service_account_user(
    namespace: str, name: str, uid: str, said: Mapping[str, Any] | None = None, identity: str = ""
) -> User:
    """said: what the token says of the objects that it is bound to. identity: its own."""
    extra: dict[str, tuple[str, ...]] = {}
    if identity:
        extra["authentication.kubernetes.io/credential-id"] = (f"JTI={identity}",)
    for claim in ("pod", "node"):
        if bound := (said or {}).get(claim):
            extra[f"authentication.kubernetes.io/{claim}-name"] = (bound["name"],)
            extra[f"authentication.kubernetes.io/{claim}-uid"] = (bound["uid"],)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


class ServiceAccountTokens:
    """Signs and verifies JWTs with one key: ES256 for an elliptic curve (P-256), RS256 for RSA."""

    def __init__(self, key_pem: bytes, issuer: str) -> None:
        """Raises ValueError for a key of another type."""
        key = serialization.load_pem_private_key(key_pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("the ServiceAccount key must be an RSA or an elliptic curve key")
        self._key = key
        self.issuer = issuer
        self.algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        self.public_key = key.public_key()
        self._head = {"alg": self.algorithm, "kid": issuer_keys.key_id(self.public_key), "typ": "JWT"}

    def mint(
        self,
        account: Object,
        *,
        now: float,
        seconds: int,
        audiences: list[str],
        bound: Mapping[str, Object] = MappingProxyType({}),
    ) -> str:
        """A token for a ServiceAccount. now: seconds since the epoch. bound: the objects that it is for, by the names
        of their claims (`pod`)."""
        metadata = account["metadata"]
        said: dict[str, Any] = {"namespace": metadata["namespace"]}
        for claim, one in {"serviceaccount": account, **bound}.items():
            said[claim] = {"name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}
        claims = {
            "aud": audiences or [self.issuer],
            "exp": int(now) + seconds,
            "iat": int(now),
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": said,
            "nbf": int(now),
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
        }
        signed = b".".join(_base64(orjson.dumps(part)) for part in (self._head, claims))
        return (signed + b"." + _base64(self._sign(signed))).decode()

    def verify(self, token: str, now: float, audiences: Sequence[str] = ()) -> dict[str, Any] | None:
        """The claims of a token of ours that is valid now, for one of the audiences, else for our own; None for any
        other."""
        signed, _, signature = token.encode().rpartition(b".")
        try:
            head, claims = (orjson.loads(_unbase64url(part)) for part in signed.split(b"."))
            if head.get("alg") != self.algorithm:
                return None
            self._check(signed, _unbase64url(signature))
        except (ValueError, InvalidSignature, AttributeError, binascii.Error):
            return None
        if not isinstance(claims, dict) or claims.get("iss") != self.issuer:
            return None
        if not claims.get("nbf", 0) <= now + _SKEW or not now < claims.get("exp", 0):
            return None
        said, wanted = claims.get("aud"), audiences or (self.issuer,)
        return claims if isinstance(said, list) and any(one in said for one in wanted) else None

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_SCALAR, "big") + s.to_bytes(_SCALAR, "big")

    def _check(self, data: bytes, signature: bytes) -> None:
        """Raises InvalidSignature."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            self._key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            return
        if len(signature) != 2 * _SCALAR:
            raise InvalidSignature
        r, s = (int.from_bytes(signature[at : at + _SCALAR], "big") for at in (0, _SCALAR))
        self._key.public_key().verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def _uid(obj: Object | None) -> str | None:
    return None if obj is None else obj["metadata"].get("uid")


def _unbase64(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        return b""


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unbase64url(data: bytes) -> bytes:
    return base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
