"""ConfigMap and Secret for people to read: a Secret's values are never shown, only how long they are."""

from __future__ import annotations

import base64
import binascii

from cli.descriptions.page import Page, Text
from procorch.objects import Object


def describe_config_map(config_map: Object) -> Page:
    """Every value in full."""
    data = {str(key): Text(str(value).splitlines()) for key, value in sorted((config_map.get("data") or {}).items())}
    binary = {str(key): _size(value) for key, value in sorted((config_map.get("binaryData") or {}).items())}
    return {"Data": data or [], "BinaryData": binary or None}


def describe_secret(secret: Object) -> Page:
    """The keys, and how many bytes each has."""
    data = {str(key): _size(value) for key, value in sorted((secret.get("data") or {}).items())}
    return {"Type": str(secret.get("type") or "Opaque"), "Data": data or []}


def _size(encoded: object) -> str:
    try:
        return f"{len(base64.b64decode(str(encoded)))} bytes"
    except binascii.Error:
        return "not base64"
