"""The command line: one file a command, found by this table and imported only when it is called."""

from __future__ import annotations

import importlib
import io
import sys

import click

COMMANDS: dict[str, str] = {  # command → `module` of this package, whose `command` it is, or `module:name`
    "up": "up",
    "down": "down",
    "reset": "reset",
    "status": "status",
    "get": "get",
    "describe": "describe",
    "logs": "logs",
    "events": "events",
    "create": "create",
    "apply": "apply",
    "delete": "delete",
    "stop": "stop",
    "scale": "scale",
    "label": "metadata:label",
    "annotate": "metadata:annotate",
    "explain": "explain",
    "api-resources": "api_resources",
    "completion": "completion",
    "master": "master",
    "agent": "agent",
    "token": "token",
    "image": "image",
    "backup": "backup",
    "restore": "restore",
    "check": "check",
    "compact": "compact",
}


class _Commands(click.Group):
    """Imports a command's module when it is asked for: `procorch get` must not wait for what `up` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module, _, name = COMMANDS.get(cmd_name, "").partition(":")
        if not module:
            return None
        command = getattr(importlib.import_module(f"cli.{module}"), name or "command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="procorch", prog_name="procorch")
def procorch() -> None:
    """Kubernetes' API and control loops for plain Linux processes."""


def main() -> None:
    """The `procorch` program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without ☃ gets \\u2603, not a stack trace
            stream.reconfigure(errors="backslashreplace")
    procorch(prog_name="procorch")
