"""HTTP itself: smuggling, endless headers, slow senders, and those who have no credential."""

from __future__ import annotations

from tests.procorch.api.hostile import CONFIG_MAPS, DEEP, MIB, TARGET, Attack, config_map, get, post, raw, request

_POST = f"POST {CONFIG_MAPS} HTTP/1.1"
_BODY = config_map()
_LENGTH = f"Content-Length: {len(_BODY)}"
SMUGGLED = b"0\r\n\r\nDELETE " + TARGET.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"

HTTP = [
    Attack("a length and chunks", (400,), lambda: raw(
        _POST, "Host: x", f"Content-Length: {len(SMUGGLED)}", "Transfer-Encoding: chunked", body=SMUGGLED)),
    Attack("chunks, and a length behind", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", "Content-Length: 5", body=SMUGGLED)),
    Attack("two lengths", (400,), lambda: raw(_POST, "Host: x", _LENGTH, "Content-Length: 3", body=_BODY)),
    Attack("two lengths in one header", (400,), lambda: raw(_POST, "Host: x", f"{_LENGTH}, 3", body=_BODY)),
    Attack("a length of -1", (400,), lambda: raw(_POST, "Host: x", "Content-Length: -1", body=_BODY)),
    Attack("a length of +5", (400,), lambda: raw(_POST, "Host: x", "Content-Length: +5", body=_BODY)),
    Attack("a length in hexadecimal", (400,), lambda: raw(_POST, "Host: x", "Content-Length: 0x5", body=_BODY)),
    Attack("a length in other digits", (400,), lambda: (
        _POST.encode() + b"\r\nHost: x\r\nContent-Length: \xd9\xa3\r\n\r\n")),
    Attack("a length of a thousand digits", (400,), lambda: raw(_POST, "Host: x", f"Content-Length: {'9' * 1000}")),
    Attack("an unknown transfer coding", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: xchunked", body=SMUGGLED)),
    Attack("chunked, but not at last", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked, identity", body=SMUGGLED)),
    Attack("chunked twice", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=SMUGGLED)),
    Attack("a chunk of negative size", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n")),
    Attack("a chunk larger than any number", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\nx\r\n")),
    Attack("a chunk that is longer than it says", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", body=b"2\r\nabcdef\r\n0\r\n\r\n")),
    Attack("a chunk's extension of 200 kB", (400,), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", body=b"1;" + b"a" * 200_000 + b"\r\nx\r\n0\r\n\r\n")),
    Attack("a trailer of 200 kB", (400, 408), lambda: raw(
        _POST, "Host: x", "Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nA: " + b"a" * 200_000 + b"\r\n\r\n")),
    Attack("a space before the colon", (400,), lambda: raw(_POST, "Host: x", "Content-Length : 5", body=_BODY)),
    Attack("a folded header", (400,), lambda: raw(_POST, "Host: x", "X-A: b", " Content-Length: 5", body=_BODY)),
    Attack("a NUL in a header", (400,), lambda: raw(f"GET {TARGET} HTTP/1.1", "Host: x", "X-A: b\0c")),
    Attack("a bare carriage return in a header", (400,), lambda: raw(
        f"GET {TARGET} HTTP/1.1", "Host: x", "X-A: b\rc: d")),
    Attack("a header without a colon", (400,), lambda: raw(f"GET {TARGET} HTTP/1.1", "Host: x", "nothing")),
    Attack("a header without a name", (400,), lambda: raw(f"GET {TARGET} HTTP/1.1", "Host: x", ": x")),
    Attack("a header of 100 kB", (400, 431), lambda: get(TARGET, X_A="b" * 100_000)),
    Attack("10,000 headers", (400, 431), lambda: raw(
        f"GET {TARGET} HTTP/1.1", "Host: x", *(f"X-{n}: a" for n in range(10_000)))),
    Attack("headers of 6 MB", (400, 431), lambda: raw(
        f"GET {TARGET} HTTP/1.1", "Host: x", *(f"X-{n}: {'a' * 60_000}" for n in range(100)))),
    Attack("no version", (400,), lambda: f"GET {TARGET}\r\n\r\n".encode()),
    Attack("version 9.9", (400, 505), lambda: raw(f"GET {TARGET} HTTP/9.9", "Host: x")),
    Attack("HTTP/2 unasked", (400, 505), lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Attack("no HTTP at all", (400,), lambda: b"\x16\x03\x01\x02\x00" * 100 + b"\r\n\r\n"),
    Attack("a megabyte without a line end", (400, 414), lambda: b"a" * MIB),
    Attack("an expectation that nobody can meet", (417, 400), lambda: post(_BODY, Expect="the-impossible")),
    Attack("an upgrade to what nobody speaks", (400, 404, 426), lambda: get(
        f"{TARGET}x", Connection="Upgrade", Upgrade="h2c")),
    Attack("a WebSocket where there is none", (400, 404, 426), lambda: get(
        f"{TARGET}x", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="x" * 24)),
    Attack("a node's link by somebody else", (400, 403), lambda: get(
        "/apis/procorch.dev/v1/nodes/n1/link", Connection="Upgrade", Upgrade="websocket")),
    Attack("a body with GET's name", (400, 404), lambda: request("GET", f"{TARGET}x", b"[" * DEEP)),
]  # fmt: skip

CREDENTIALS = [
    Attack("no credential", (401,), lambda: get(CONFIG_MAPS)),
    Attack("no credential, and a large body", (401, 413), lambda: post(b"x" * (3 * MIB - 9))),
    Attack("a token of junk", (401,), lambda: get(CONFIG_MAPS, Authorization="Bearer a.b.c")),
    Attack("a credential of 60 kB", (401,), lambda: get(CONFIG_MAPS, Authorization=f"Bearer {'a.' * 30_000}")),
    Attack("a token that is signed by nobody", (401,), lambda: get(
        CONFIG_MAPS, Authorization="Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.")),
    Attack("a password", (401,), lambda: get(CONFIG_MAPS, Authorization="Basic YTpi")),
    Attack("an impersonation by nobody", (401,), lambda: get(CONFIG_MAPS, Impersonate_User="system:admin")),
    Attack("a bootstrap token with a NUL", (401, 400), lambda: get(CONFIG_MAPS, Authorization="Bearer ../a\0.b")),
]  # fmt: skip

SLOW = [
    Attack("headers that never end", (0, 408), lambda: [
        f"GET {TARGET} HTTP/1.1\r\n".encode()] + [b"X: y\r\n"] * 60, 0.05),
    Attack("not one byte", (0, 408), lambda: [b""] * 60, 0.05),
    Attack("a body that never comes", (408,), lambda: [raw(_POST, "Host: x", _LENGTH)] + [b""] * 60, 0.05),
    Attack("a body byte by byte", (408,), lambda: [
        raw(_POST, "Host: x", "Content-Length: 3000000")] + [b" "] * 60, 0.05),
    Attack("chunks byte by byte", (408,), lambda: [
        raw(_POST, "Host: x", "Transfer-Encoding: chunked")] + [b"1\r\n \r\n"] * 60, 0.05),
    Attack("a body that is shorter than it says", (408,), lambda: raw(
        _POST, "Host: x", "Content-Length: 100", body=_BODY)),
]  # fmt: skip
