"""Queries and paths: forged tokens, numbers without end, selectors that are bombs, ways upwards."""

from __future__ import annotations

import base64
from urllib.parse import quote

import orjson

from tests.procorch.api.hostile import CONFIG_MAPS, DEEP, MIB, POD, TARGET, Attack, config_map, get, post, raw, request


def token(**row: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", **row})).rstrip(b"=").decode()


QUERIES = [
    Attack("a limit of thirty digits", (400, 422), lambda: get(f"{CONFIG_MAPS}?limit={'9' * 30}")),
    Attack("a limit that is no number", (400, 422), lambda: get(f"{CONFIG_MAPS}?limit=٣")),
    Attack("a continue token that is no base64", (400,), lambda: get(f"{CONFIG_MAPS}?limit=1&continue=%00%ff!")),
    Attack("a continue token of junk", (400,), lambda: get(f"{CONFIG_MAPS}?limit=1&continue=QUJD")),
    Attack("a continue token of 60 kB", (400,), lambda: get(f"{CONFIG_MAPS}?limit=1&continue={'A' * 60_000}")),
    Attack("a continue token with 10,000 levels", (400,), lambda: get(
        f"{CONFIG_MAPS}?continue={base64.urlsafe_b64encode(b'[' * 10_000).decode()}")),
    Attack("a forged token: revision -1", (400,), lambda: get(f"{CONFIG_MAPS}?continue={token(rv=-1, start='a')}")),
    Attack("a forged token: revision 0", (400, 410), lambda: get(f"{CONFIG_MAPS}?continue={token(rv=0, start='a')}")),
    Attack("a forged token: revision true", (400,), lambda: get(f"{CONFIG_MAPS}?continue={token(rv=True, start='')}")),
    Attack("a forged token: a revision to come", (400, 410), lambda: get(
        f"{CONFIG_MAPS}?continue={token(rv=2**62, start='a')}")),
    Attack("a forged token: a revision beyond SQL's numbers", (400, 410), lambda: get(
        f"{CONFIG_MAPS}?continue={token(rv=2**64 - 1, start='a')}")),
    Attack("a forged token: a NUL in the key", (400, 410), lambda: get(
        f"{CONFIG_MAPS}?continue={token(rv=1, start='a' + chr(0))}")),
    Attack("a forged token: a key elsewhere", (400, 410), lambda: get(
        f"{CONFIG_MAPS}?continue={token(rv=1, start='../../secrets/')}")),
    Attack("resourceVersion -1", (400, 422), lambda: get(f"{CONFIG_MAPS}?resourceVersion=-1")),
    Attack("a resourceVersion of thirty digits", (400, 422), lambda: get(f"{CONFIG_MAPS}?resourceVersion={'9' * 30}")),
    Attack("a watch from thirty digits", (400, 422), lambda: get(f"{CONFIG_MAPS}?watch=1&resourceVersion={'9' * 30}")),
    Attack("an unknown resourceVersionMatch", (400, 422), lambda: get(
        f"{CONFIG_MAPS}?resourceVersion=1&resourceVersionMatch=Perhaps")),
    Attack("a watch's time of thirty digits", (400, 422), lambda: get(
        f"{CONFIG_MAPS}?watch=1&timeoutSeconds={'9' * 30}")),
    Attack("a label selector of 60,000 brackets", (400,), lambda: get(f"{CONFIG_MAPS}?labelSelector={'(' * 60_000}")),
    Attack("a label selector that never ends", (400,), lambda: get(
        f"{CONFIG_MAPS}?labelSelector=a+in+({'b,' * 30_000}")),
    Attack("a label selector of 20,000 bad values", (400,), lambda: get(
        f"{CONFIG_MAPS}?labelSelector=a+in+({'-,' * 20_000}b)")),
    Attack("a label selector that compares with 60 kB", (400,), lambda: get(
        f"{CONFIG_MAPS}?labelSelector=a%3E{'9' * 60_000}")),
    Attack("a field selector of 60,000 backslashes", (400,), lambda: get(
        f"{CONFIG_MAPS}?fieldSelector=metadata.name%3D{chr(92) * 60_001}")),
    Attack("a field selector without a comparison", (400,), lambda: get(f"{CONFIG_MAPS}?fieldSelector={'a' * 60_000}")),
    Attack("a field selector of a field that nobody has", (400,), lambda: get(f"{CONFIG_MAPS}?fieldSelector=x.y%3D1")),
    Attack("a field selector with a NUL", (400,), lambda: get(f"{CONFIG_MAPS}?fieldSelector=%00")),
    Attack("an unknown dry run", (400, 422), lambda: post(config_map(), path=f"{CONFIG_MAPS}?dryRun=Perhaps")),
    Attack("an unknown field validation", (400, 422), lambda: post(
        config_map(), path=f"{CONFIG_MAPS}?fieldValidation=Perhaps")),
    Attack("an unknown propagation policy", (400, 422), lambda: request(
        "DELETE", f"{TARGET}?propagationPolicy=Perhaps")),
    Attack("a grace period that is no number", (400, 422), lambda: request("DELETE", f"{TARGET}?gracePeriodSeconds=x")),
    Attack("a grace period of thirty digits", (400, 422), lambda: request(
        "DELETE", f"{TARGET}?gracePeriodSeconds={'9' * 30}")),
    Attack("a deletion's body that is none", (400,), lambda: request("DELETE", TARGET, b"[" * DEEP)),
    Attack("a deletion of another uid", (400, 409), lambda: request(
        "DELETE", TARGET, orjson.dumps({"preconditions": {"uid": "x\0"}}))),
    Attack("a deletion with all kinds of wrong options", (400, 422), lambda: request("DELETE", TARGET, orjson.dumps({
        "gracePeriodSeconds": 2**62, "propagationPolicy": {}, "orphanDependents": "perhaps"}))),
    Attack("10,000 parameters", (400, 404), lambda: get(f"{TARGET}x?{'a=b&' * 10_000}")),
    Attack("a query that is no UTF-8", (400,), lambda: get(f"{CONFIG_MAPS}?labelSelector=%ff%fe")),
    Attack("a log of -1 lines", (400, 404, 422), lambda: get(f"{POD}/log?tailLines=-1")),
    Attack("a log of thirty digits", (400, 404, 422), lambda: get(f"{POD}/log?limitBytes={'9' * 30}")),
    Attack("a token for 10^30 s", (400, 404, 422), lambda: post(
        b'{"spec":{"expirationSeconds":' + b"9" * 30 + b"}}",
        path="/api/v1/namespaces/default/serviceaccounts/x/token")),
    Attack("a pod that is bound to a megabyte", (400, 404, 409, 422), lambda: post(orjson.dumps({
        "target": {"kind": "Node", "name": "a" * MIB}}), path=f"{POD}/binding")),
]  # fmt: skip

PATHS = [
    Attack("a way upwards", (400,), lambda: get("/api/v1/../../etc/passwd")),
    Attack("a way upwards, encoded", (400,), lambda: get("/api/v1/namespaces/%2e%2e/secrets")),
    Attack("a way upwards, encoded twice", (400, 404), lambda: get("/api/v1/namespaces/%252e%252e/secrets/x")),
    Attack("a way upwards, overlong", (400,), lambda: get("/api/v1/namespaces/%c0%ae%c0%ae/secrets")),
    Attack("a slash within a segment", (404, 400), lambda: get(f"{CONFIG_MAPS}/..%2f..%2fsecrets")),
    Attack("a backslash", (404, 400), lambda: get(f"{CONFIG_MAPS}/..%5c..%5csecrets")),
    Attack("a NUL in the path", (400,), lambda: get(f"{CONFIG_MAPS}/a%00b")),
    Attack("a line end in the path", (404, 400), lambda: get(f"{CONFIG_MAPS}/a%0d%0aSet-Cookie:x")),
    Attack("a path that is no UTF-8", (400,), lambda: get(f"{CONFIG_MAPS}/%ff")),
    Attack("percent signs that are none", (400, 404), lambda: get(f"{CONFIG_MAPS}/%zz%")),
    Attack("a segment of 60 kB", (404, 400, 414), lambda: get(f"{CONFIG_MAPS}/{'a' * 60_000}")),
    Attack("30,000 segments", (404, 400, 414), lambda: get(f"{CONFIG_MAPS}{'/a' * 30_000}")),
    Attack("a path of 100 kB", (400, 414), lambda: get("/" + "a" * 100_000)),
    Attack("a collection that is no resource", (404,), lambda: get("/api/v1/namespaces/default/__class__")),
    Attack("a resource of another group", (404,), lambda: get("/apis/apps/v1/namespaces/default/secrets")),
    Attack("a subresource of a subresource", (404, 405), lambda: get(f"{POD}/status/status/x")),
    Attack("a whole URL with another host", (404, 400), lambda: get("http://elsewhere/api/v1/nothing")),
    Attack("a name that is a direction", (404,), lambda: get(f"{CONFIG_MAPS}/{quote('‮evil')}")),
    Attack("a method that is none", (405, 400), lambda: request("STEAL", TARGET)),
    Attack("a method of 10 kB", (405, 400), lambda: request("A" * 10_000, TARGET)),
    Attack("TRACE", (405, 400), lambda: request("TRACE", TARGET)),
    Attack("CONNECT", (405, 400, 404), lambda: raw("CONNECT elsewhere:443 HTTP/1.1", "Host: elsewhere:443")),
    Attack("an asterisk", (405, 400), lambda: raw("OPTIONS * HTTP/1.1", "Host: x")),
]  # fmt: skip
