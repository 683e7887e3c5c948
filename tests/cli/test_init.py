"""The command line as a whole: what it lists, and what it does not load for that."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import cli

LOADED = """
import sys
import cli
try:
    {call}
except SystemExit as end:
    assert not end.code, end.code
ours = sorted(name for name in sys.modules if name.startswith("cli."))
heavy = sorted({{"aiohttp", "sqlalchemy", "orjson", "yaml", "cryptography", "psutil", "uvloop"}} & sys.modules.keys())
print(*ours, *heavy, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "call",
    [
        pytest.param('cli.procorch(["--help"], prog_name="procorch")', id="--help"),
        pytest.param('cli.procorch.shell_complete(cli.click.Context(cli.procorch), "")', id="the Tab key"),
    ],
)
def test_a_list_of_the_commands_loads_none_of_them(call: str) -> None:
    argv = [sys.executable, "-c", LOADED.format(call=call)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)

    assert done.stderr.split() == []


def test_help_shows_each_command_by_its_own_words() -> None:
    shown = CliRunner().invoke(cli.procorch, ["--help"], terminal_width=200, max_content_width=200)
    lines = {line.split()[0]: line for line in shown.output.partition("Commands:\n")[2].splitlines()}

    assert list(lines) == list(cli.COMMANDS)
    for name in cli.COMMANDS:
        command = cli.procorch.get_command(click.Context(cli.procorch), name)
        assert command is not None and not command.hidden and not command.deprecated
        assert lines[name].strip().startswith(f"{name} "), name
        assert cli.COMMANDS[name][1] == command.get_short_help_str(1_000)


def test_tab_offers_commands_and_options() -> None:
    context = click.Context(cli.procorch)

    assert [item.value for item in cli.procorch.shell_complete(context, "app")] == ["apply"]
    assert "--kubeconfig" in [item.value for item in cli.procorch.shell_complete(context, "--k")]
