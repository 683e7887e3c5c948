"""Bodies: JSON and YAML that are bombs, lies or nonsense."""

from __future__ import annotations

import gzip
import zlib

from tests.procorch.api.hostile import (
    CONFIG_MAPS,
    DEEP,
    MIB,
    PODS,
    YAML,
    Attack,
    chunked,
    config_map,
    pod,
    post,
    raw,
    strict,
)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


LAUGHS = "\n".join(['a0: &a0 "lol"', *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]).encode()

BODIES = [
    Attack("a body of over 3 MiB", (413,), lambda: post(config_map(f',"x":"{"y" * (4 * MIB)}"'))),
    Attack("over 3 MiB in chunks", (413,), lambda: chunked([b"x" * MIB] * 4)),
    Attack("a length of ten gigabytes", (413,), lambda: raw(
        f"POST {CONFIG_MAPS} HTTP/1.1", "Host: x", "Content-Length: 10000000000", body=b"x")),
    Attack("100,000 lists in each other", (400,), lambda: post(b"[" * DEEP + b"]" * DEEP)),
    Attack("100,000 maps in each other", (400,), lambda: post(b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
    Attack("100,000 lists that never end", (400,), lambda: post(b"[" * DEEP)),
    Attack("1,000 levels within a field that may hold anything", (400,), lambda: post(config_map(
        ',"managedFields":[{"fieldsV1":' + '{"f:a":' * 1000 + "{}" + "}" * 1000 + "}]"))),
    Attack("NaN", (400,), lambda: post(config_map(',"generation":NaN'))),
    Attack("Infinity", (400,), lambda: post(config_map(',"generation":Infinity'))),
    Attack("-Infinity", (400,), lambda: post(config_map(',"generation":-Infinity'))),
    Attack("a number that is too large for any", (400,), lambda: post(config_map(',"generation":1e999999'))),
    Attack("a number of a million digits", (400,), lambda: post(config_map(f',"generation":{"9" * MIB}'))),
    Attack("a float of a million digits", (400,), lambda: post(config_map(f',"generation":0.{"9" * MIB}'))),
    Attack("half of a surrogate pair in a value", (400,), lambda: post(config_map(',"labels":{"a":"\\ud800"}'))),
    Attack("half of a surrogate pair in a name", (400,), lambda: post(config_map(',"\\udfff":1'))),
    Attack("a surrogate written as UTF-8", (400,), lambda: post(config_map().replace(b"hostile", b"\xed\xa0\x80"))),
    Attack("no UTF-8", (400,), lambda: post(config_map().replace(b"hostile", b"\xff\xfe"))),
    Attack("an overlong NUL", (400,), lambda: post(config_map().replace(b"hostile", b"\xc0\x80"))),
    Attack("UTF-16", (400,), lambda: post(config_map().decode().encode("utf-16"))),
    Attack("a NUL in a name", (422,), lambda: post(config_map(name='"a\\u0000b"'))),
    Attack("a NUL in a label", (422,), lambda: post(config_map(',"labels":{"a":"\\u0000"}'))),
    Attack("a NUL in an annotation's key", (422,), lambda: post(config_map(',"annotations":{"a\\u0000":"b"}'))),
    Attack("a bare NUL within a string", (400,), lambda: post(config_map(',"labels":{"a":"\0"}'))),
    Attack("a field that stands twice", (400,), lambda: strict(config_map(',"name":"hostile"'))),
    Attack("a field that stands 200,000 times", (400,), lambda: strict(config_map(',"name":"h"' * 200_000))),
    Attack("two documents", (400,), lambda: post(config_map() * 2)),
    Attack("half a document", (400,), lambda: post(config_map()[:-9])),
    Attack("a comment", (400,), lambda: post(config_map() + b"// x")),
    Attack("no object", (400,), lambda: post(b"7")),
    Attack("nothing", (400,), lambda: post(b"")),
    Attack("a million empty lists", (400,), lambda: strict(config_map(f',"x":[{",".join(["[]"] * 1_000_000)}]'))),
    Attack("a million empty maps where text belongs", (400,), lambda: post(
        config_map(f',"finalizers":[{",".join(["{}"] * 1_000_000)}]'))),
    Attack("a million empty containers", (413,), lambda: post(
        pod()[:-3] + b',{}' * 1_000_000 + b"]}}", path=PODS)),
    Attack("200,000 unknown fields", (400,), lambda: strict(config_map(
        "".join(f',"x{n}":0' for n in range(200_000))))),
    Attack("a field's name of 2 MB", (400,), lambda: strict(config_map(f',"{"x" * 2 * MIB}":1'))),
    Attack("100,000 bad labels", (422,), lambda: post(config_map(
        ',"labels":{' + ",".join(f'"{n} ":"!"' for n in range(100_000)) + "}"))),
    Attack("100,000 bad owners", (413,), lambda: post(config_map(
        f',"ownerReferences":[{",".join(["{}"] * 100_000)}]'))),
    Attack("100,000 bad finalizers", (422,), lambda: post(config_map(
        ',"finalizers":[' + ",".join(['"!"'] * 100_000) + "]"))),
    Attack("a name of a million letters", (422,), lambda: post(config_map(name=f'"{"a" * MIB}"'))),
    Attack("a generated name of a million letters", (422,), lambda: post(config_map(
        f',"generateName":"{"A" * MIB}"', name='""'))),
    Attack("annotations of 2 MiB", (422,), lambda: post(config_map(f',"annotations":{{"a":"{"x" * 2 * MIB}"}}'))),
    Attack("an object that is larger than any store should hold", (413, 422), lambda: post(
        config_map()[:-1] + f',"data":{{"a":"{"x" * 2_900_000}"}}}}'.encode())),
    Attack("64 MiB that are small while they are packed", (413,), lambda: post(
        gzipped(b" " * (64 * MIB)), Content_Encoding="gzip")),
    Attack("the same, by deflate", (413,), lambda: post(zlib.compress(b" " * (64 * MIB)), Content_Encoding="deflate")),
    Attack("packed twice", (400,), lambda: post(gzipped(gzipped(config_map())), Content_Encoding="gzip")),
    Attack("not packed as it says", (400,), lambda: post(b"xx", Content_Encoding="gzip")),
    Attack("packed in a way that nobody knows", (400, 415), lambda: post(config_map(), Content_Encoding="rot13")),
    Attack("packed, and cut off", (400,), lambda: post(gzipped(b"a" * 10_000)[:-9], Content_Encoding="gzip")),
]  # fmt: skip

YAMLS = [
    Attack("YAML: a billion laughs", (400,), lambda: post(LAUGHS, YAML)),
    Attack("YAML: 100,000 aliases of a long list", (400,), lambda: post(
        b"a: &a [" + b"x," * 10_000 + b"]\nb: [" + b"*a," * 100_000 + b"]", YAML)),
    Attack("YAML: 100,000 aliases of a long text", (400, 422), lambda: post(
        b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a," * 100_000 + b"]", YAML)),
    Attack("YAML: a list that holds itself", (400,), lambda: post(b"&a [*a]", YAML)),
    Attack("YAML: merges that multiply", (400,), lambda: post(b"a0: &a0 {x: 1, y: 2, z: 3}\n" + b"".join(
        b"a%d: &a%d {k%d: {<<: *a%d}, l%d: {<<: *a%d}}\n" % (n, n, n, n - 1, n, n - 1) for n in range(1, 30)), YAML)),
    Attack("YAML: 100,000 lists in each other", (400,), lambda: post(b"[" * DEEP + b"]" * DEEP, YAML)),
    Attack("YAML: 100,000 maps in each other", (400,), lambda: post(b"{a: " * DEEP + b"}" * DEEP, YAML)),
    Attack("YAML: 2,000 levels by indentation", (400,), lambda: post(
        b"".join(b" " * n + b"a:\n" for n in range(2000)), YAML)),
    Attack("YAML: 100,000 lists in one line", (400,), lambda: post(b"- " * DEEP, YAML)),
    Attack("YAML: a million empty lists", (400,), lambda: post(b"a: [" + b"[]," * 1_000_000 + b"]", YAML)),
    Attack("YAML: 250,000 lines", (400,), lambda: post(b"".join(b"x%d: 1\n" % n for n in range(250_000)), YAML)),
    Attack("YAML: 200,000 keys that say the same", (400,), lambda: strict(b"a: 1\n" * 200_000, YAML)),
    Attack("YAML: a Python object", (400,), lambda: post(b"!!python/object/apply:os.system [id]", YAML)),
    Attack("YAML: two documents", (400,), lambda: post(config_map() + b"\n---\n" + config_map(), YAML)),
    Attack("YAML: half of a surrogate pair", (400,), lambda: post(
        b'{apiVersion: v1, kind: ConfigMap, metadata: {name: hostile, labels: {a: "\\ud800"}}}', YAML)),
    Attack("YAML: half of a surrogate pair in free text", (400,), lambda: post(
        b'{apiVersion: v1, kind: ConfigMap, metadata: {name: hostile}, data: {a: "\\udc00"}}', YAML)),
    Attack("YAML: a NUL", (400,), lambda: post(config_map().replace(b"hostile", b"a\0b"), YAML)),
    Attack("YAML: a NUL in a name", (422,), lambda: post(config_map(name='"a\\0b"'), YAML)),
    Attack("YAML: .nan", (400,), lambda: post(config_map(',"generation": .nan'), YAML)),
    Attack("YAML: .inf", (400,), lambda: post(config_map(',"generation": -.inf'), YAML)),
    Attack("YAML: a number of a million digits", (400,), lambda: post(config_map(f',"generation": {"9" * MIB}'), YAML)),
    Attack("YAML: a hexadecimal number of a million digits", (400,), lambda: post(
        config_map(f',"generation": 0x{"f" * MIB}'), YAML)),
    Attack("YAML: an exponent of a million digits", (400,), lambda: post(
        config_map(f',"generation": 1e{"9" * MIB}'), YAML)),
    Attack("YAML: a quote that never ends", (400,), lambda: post(b'"' + b"a" * 2 * MIB, YAML)),
    Attack("YAML: a list as key", (400,), lambda: post(b"? [a, b]\n: 1", YAML)),
    Attack("YAML: 50,000 directives", (400,), lambda: post(b"%TAG !a! tag:x\n" * 50_000 + b"---\na", YAML)),
    Attack("YAML: 100,000 anchors", (400,), lambda: post(b"".join(b"- &a%d x\n" % n for n in range(DEEP)), YAML)),
    Attack("YAML: no UTF-8", (400,), lambda: post(b"a: \xff", YAML)),
]  # fmt: skip
