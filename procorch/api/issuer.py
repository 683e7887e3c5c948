"""Who signs the tokens of service accounts, as OpenID Connect's discovery tells it to programs outside.

A program that is given such a token asks /.well-known/openid-configuration where the keys are, and /openid/v1/jwks for
them; then it can tell by itself whether the token is this cluster's.
Source: OpenID Connect Discovery 1.0, RFC 7517 and 7518; Kubernetes' pkg/serviceaccount/openidmetadata.go.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from procorch.api.request import JSON, Response

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
_KEYS_TYPE = "application/jwk-set+json"
_CACHED = "public, max-age=3600"

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def configuration(issuer: str, algorithm: str, advertise: str) -> Response:
    """advertise: host:port of this API; where it is not known the keys are at the issuer."""
    where = f"https://{advertise}" if advertise else issuer
    about = {
        "issuer": issuer,
        "jwks_uri": f"{where}{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    }
    return Response(200, {"Content-Type": JSON, "Cache-Control": _CACHED}, orjson.dumps(about))


def keys(public: PublicKey, algorithm: str) -> Response:
    row = {"use": "sig", "kid": key_id(public), "alg": algorithm, **_numbers(public)}
    return Response(200, {"Content-Type": _KEYS_TYPE, "Cache-Control": _CACHED}, orjson.dumps({"keys": [row]}))


def key_id(public: PublicKey) -> str:
    """The same for the same key: the hash of its DER form, as in Kubernetes."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _text(hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).digest())


def _numbers(public: PublicKey) -> dict[str, Any]:
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
    return {"kty": "EC", "crv": "P-256", "x": _number(point.x, size), "y": _number(point.y, size)}


def _number(value: int, size: int = 0) -> str:
    return _text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
