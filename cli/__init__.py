"""The command line: one file a command, found by this table and imported only when it is called."""

from __future__ import annotations

import importlib
import io
import os
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
    "encryption": "encryption",
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What was said before the command is the command's: `procorch -n web get pods`, as with kubectl."""
        name, command, rest = super().resolve_command(ctx, args)
        said = [f"--{option}={value}" for option, value in ctx.params.items() if value is not None]
        return name, command, [*said, *rest]


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--kubeconfig", help="Before a command or behind it: the kubeconfig file.")
@click.option("--context", help="Before a command or behind it: the kubeconfig's context to use.")
@click.option("--namespace", "-n", help="Before a command or behind it: the namespace.")
@click.version_option(package_name="procorch", prog_name="procorch")
def procorch(kubeconfig: str | None, context: str | None, namespace: str | None) -> None:
    """Kubernetes' API and control loops for plain Linux processes."""


def main() -> None:
    """The `procorch` program."""
    # Closed by who started us (`>&-`): nobody wants to hear it, but everything below writes.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # for as long as the program runs
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without ☃ gets \\u2603, not a stack trace
            stream.reconfigure(errors="backslashreplace")
    try:
        procorch(prog_name="procorch")
    except OSError as error:  # a full disk behind `> file`, say
        click.echo(f"Error: {error.filename + ': ' if error.filename else ''}{error.strerror or error}", err=True)
        sys.exit(1)
