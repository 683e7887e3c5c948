from pathlib import Path

import click
import pytest

from cli.manifests import read

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def test_files_folders_documents_and_lists_give_their_objects_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"# 副本控制器\n{POD}---\n---\n{POD.replace('web', 'db')}")
    (tmp_path / "b.json").write_text('{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", '
                                     '"kind": "Service", "metadata": {"name": "s"}}]}')  # fmt: skip
    (tmp_path / "notes.txt").write_text("not read")

    found = read([str(tmp_path)])

    assert [(one.kind.name, one.obj["metadata"]["name"]) for one in found] == [
        ("Pod", "web"), ("Pod", "db"), ("Service", "s"),
    ]  # fmt: skip


def test_the_namespace_is_filled_in_but_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD + "---\n" + POD.replace("name: web", "name: x, namespace: other"))
    first, second = read([str(tmp_path / "a.yaml")])

    assert first.key("prod") == "prod/web"
    assert second.key("prod") == "other/x"
    assert first.placed("prod")["metadata"]["namespace"] == "prod"


def test_dates_stay_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD + "spec: {when: 2026-01-02}\n")

    assert read([str(tmp_path / "a.yaml")])[0].obj["spec"]["when"] == "2026-01-02"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [", "not YAML", id="malformed"),
        pytest.param("kind: Pod\n", "apiVersion is not set", id="no apiVersion"),
        pytest.param("apiVersion: v1\nkind: Pod\n", r"metadata\.name is not set", id="no name"),
        pytest.param(
            "apiVersion: v2\nkind: Pod\nmetadata: {name: a}\n", 'no kind "Pod" in version "v2"', id="no such kind"
        ),
        pytest.param("- 1\n", "not an object", id="a list"),
        pytest.param("a: 1\na: 2\n", 'key "a" already set', id="a key twice"),
        pytest.param("", "no objects in", id="empty"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_the_file_in_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)

    with pytest.raises(click.ClickException, match=message) as caught:
        read([str(path)])
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named() -> None:
    with pytest.raises(click.ClickException, match=r"/nowhere/x\.yaml: No such file"):
        read(["/nowhere/x.yaml"])
