"""Images say what a name means on this cluster."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def image(**spec: Any) -> Object:
    return {
        "apiVersion": "procorch.dev/v1",
        "kind": "Image",
        "metadata": {"name": "mysql"},
        "spec": {"patterns": ["mysql", "mysql:*"], "root": "host", "entrypoint": ["/opt/mysql/start"], **spec},
    }


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"root": "dir:///srv/images/mysql"},
        {"patterns": ["docker.io/library/mysql:8*"], "args": ["--verbose"], "workingDir": "/data"},
        {"user": "999:999", "env": [{"name": "LANG", "value": "C.UTF-8"}]},
        {"user": "0"},
    ],
)
def test_good_images(enter, spec) -> None:  # type: ignore[no-untyped-def]
    assert enter(image(**spec)) == (image(**spec), [])


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"patterns": []},
            "spec.patterns: Required value: names the images that are meant, such as mysql or mysql:*",
        ),
        ({"patterns": ["a", "a"]}, 'spec.patterns[1]: Duplicate value: "a"'),
        (
            {"patterns": [" a"]},
            'spec.patterns[0]: Invalid value: " a": must be an image name, with * for anything',
        ),
        ({"root": ""}, "spec.root: Required value: must be host or dir:///absolute/path"),
        ({"root": "dir://here"}, 'spec.root: Invalid value: "dir://here": must be host or dir:///absolute/path'),
        ({"root": "dir:///a/../b"}, "spec.root: Invalid value: \"dir:///a/../b\": must not contain '..'"),
        ({"user": "mysql"}, 'spec.user: Invalid value: "mysql": must be uid or uid:gid, in numbers'),
        ({"user": "4294967295"}, 'spec.user: Invalid value: "4294967295": must be uid or uid:gid, in numbers'),
        ({"workingDir": "data"}, 'spec.workingDir: Invalid value: "data": must be an absolute path'),
        ({"env": [{}]}, "spec.env[0].name: Required value"),
    ],
)
def test_bad_images_are_named(enter, spec, problem) -> None:  # type: ignore[no-untyped-def]
    assert enter(image(**spec))[1] == [problem]


def test_the_columns_say_what_runs() -> None:
    cells = [column.cell(image(args=["-v"]), 0.0) for column in KINDS["Image"].columns]

    assert cells == ["mysql", "mysql,mysql:*", "host", "/opt/mysql/start -v", "<unknown>"]
