"""What `procorch up` refuses before it makes anything; the rest is tested on whole clusters in tests/e2e."""

from pathlib import Path

import click
import pytest

from cli.up import make_private, refuse_overlap


def test_a_range_that_the_machine_has_is_refused_by_name() -> None:
    with pytest.raises(click.ClickException, match=r"127\.0\.0\.0/24 overlaps lo .*choose another with --network"):
        refuse_overlap("127.0.0.0/24")


def test_a_free_range_is_accepted() -> None:
    refuse_overlap("198.18.77.0/24")


def test_a_data_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(click.ClickException, match="choose another --data-dir"):
        make_private(tmp_path / "file/state")


def test_the_data_directory_lets_others_through_but_shows_nothing(tmp_path: Path) -> None:
    make_private(tmp_path / "state")

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "state/run").stat().st_mode & 0o777 == 0o700
