"""Images say what a name means on this cluster."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

ROOTS = "must be host, or dir://, venv://, tar:// or oci:// and an absolute path"
USER = "must be user or user:group, as names or numbers"


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
        {"root": "tar:///srv/images/mysql.tar.gz"},
        {"root": "oci:///srv/images/mysql"},
        {"root": "venv:///opt/app"},
        {"user": "mysql"},
        {"user": "www-data:_adm.1"},
        {"user": "mysql:0"},
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
        ({"root": ""}, f"spec.root: Required value: {ROOTS}"),
        ({"root": "dir://here"}, f'spec.root: Invalid value: "dir://here": {ROOTS}'),
        ({"root": "tar://"}, f'spec.root: Invalid value: "tar://": {ROOTS}'),
        ({"root": "/srv/root"}, f'spec.root: Invalid value: "/srv/root": {ROOTS}'),
        ({"root": "ftp:///srv/root"}, f'spec.root: Invalid value: "ftp:///srv/root": {ROOTS}'),
        ({"root": "oci:///a/../b"}, "spec.root: Invalid value: \"oci:///a/../b\": must not contain '..'"),
        (
            {"root": "exec:///bin/true"},
            'spec.root: Invalid value: "exec:///bin/true": a program is no root: use host, and the program as '
            "spec.entrypoint",
        ),
        ({"root": "dir:///a/../b"}, "spec.root: Invalid value: \"dir:///a/../b\": must not contain '..'"),
        ({"user": "my sql"}, f'spec.user: Invalid value: "my sql": {USER}'),
        ({"user": ":7"}, f'spec.user: Invalid value: ":7": {USER}'),
        ({"user": "a:b:c"}, f'spec.user: Invalid value: "a:b:c": {USER}'),
        ({"user": "4294967295"}, f'spec.user: Invalid value: "4294967295": {USER}'),
        ({"user": "root:4294967295"}, f'spec.user: Invalid value: "root:4294967295": {USER}'),
        ({"workingDir": "data"}, 'spec.workingDir: Invalid value: "data": must be an absolute path'),
        ({"env": [{}]}, "spec.env[0].name: Required value"),
    ],
)
def test_bad_images_are_named(enter, spec, problem) -> None:  # type: ignore[no-untyped-def]
    assert enter(image(**spec))[1] == [problem]


def test_the_columns_say_what_runs() -> None:
    cells = [column.cell(image(args=["-v"]), 0.0) for column in KINDS["Image"].columns]

    assert cells == ["mysql", "mysql,mysql:*", "host", "/opt/mysql/start -v", "<unknown>"]


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({}, "<none>"),
        ({"entrypoint": ["/bin/web"], "args": ["--port", "80"]}, "/bin/web --port 80"),
        ({"entrypoint": ["python3", "-c", "import os\nimport sys\n" * 9]}, f"python3 -c {'import os import sys ' * 3}"),
    ],
)
def test_a_program_has_one_short_line(spec: dict[str, Any], shown: str) -> None:
    program = next(column for column in KINDS["Image"].columns if column.name == "Program")

    cell = program.cell({"spec": spec}, 0.0)
    assert cell == shown if len(shown) < 60 else cell == f"{shown[:57]}..."
