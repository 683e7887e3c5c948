import pytest
from click.testing import CliRunner

import cli
from cli.units import seconds


@pytest.mark.parametrize("text,value", [
    ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("7d", 604_800), ("0", 0), ("0s", 0), ("1.5h", 5400), ("250ms", 0.25)
])  # fmt: skip
def test_times_are_read_as_kubernetes_users_write_them(text: str, value: float):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "h", "1h 30m", "-1h", "1y", "1h30", "٣s"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ValueError, match="is no time"):
        seconds(text)


@pytest.mark.parametrize("option,value,words", [
    ("--history-age", "5", "is no time"), ("--history-size", "-1", "not below 0"), ("--history-size", "big", "no size")
])  # fmt: skip
def test_a_master_with_a_wrong_time_or_size_does_not_start(option: str, value: str, words: str):
    result = CliRunner().invoke(cli.procorch, ["master", f"{option}={value}"])

    assert result.exit_code == 2
    assert words in result.stderr
