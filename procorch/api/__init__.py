"""The API: Kubernetes' verbs over the store, generic over the kinds."""

from procorch.api.api import Api, ApiConfig
from procorch.api.local import LocalTransport
from procorch.api.request import MASTERS, Request, Response, User

__all__ = ["MASTERS", "Api", "ApiConfig", "LocalTransport", "Request", "Response", "User"]
