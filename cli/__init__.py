"""The command line: one file a command, found by this table and imported only when it is called."""

from __future__ import annotations

import importlib
import io
import os
import sys

import click
from click.shell_completion import CompletionItem

#: command → `module` of this package, whose `command` it is, or `module:name`; and its own first sentence, so that a
#: list of the commands need not import what a master, an agent and a client want
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start a cluster on this machine: a master and a node, or with --nodes several nodes."),
    "down": ("down", "Stop master, nodes and pods."),
    "reset": ("reset", "Stop the cluster and remove its objects, keys, pods, network and cgroups from this machine."),
    "status": ("status", "Show whether a cluster is up on this machine, its programs, nodes and pods."),
    "get": ("get", "Show objects: `get pods`, `get rc,svc`, `get pod web`, `get node/n1 -o yaml`, `get all -A`."),
    "describe": (
        "describe",
        "Show objects in full, in words: `describe pod web`, `describe node`, `describe rc -l app=web`.",
    ),
    "logs": (
        "logs",
        "Print a container's output: `logs web`, `logs -f pod/web -c app`, `logs rc/web`, `logs -l app=web --tail 5`.",
    ),
    "events": ("events", "Show the events of a namespace or of one object."),
    "create": ("create", "Create the objects of files, folders or standard input."),
    "apply": ("apply", "Create or change objects so that they are as the files say."),
    "delete": (
        "delete",
        "Delete objects: `delete pod web`, `delete rc/web svc/web`, `delete pods -l app=web`, `delete -f app.yaml`.",
    ),
    "stop": ("stop", "Scale to none, wait until the pods are gone, then delete: `stop rc myweb`."),
    "scale": ("scale", "Change the number of replicas: `scale rc myweb --replicas 3`, `scale rs/web --replicas 0`."),
    "label": ("metadata:label", "Set or remove labels: `label pod web tier=front`, `label pod web tier-`."),
    "annotate": ("metadata:annotate", "Set or remove annotations: `annotate rc web note='since May'`."),
    "explain": (
        "explain",
        "Show a kind's fields: `explain pod`, `explain pod.spec.containers`, `explain rc.spec --recursive`.",
    ),
    "api-resources": ("api_resources", "List the resource types, as the server tells them."),
    "completion": ("completion", "Print a shell's completion script: `source <(procorch completion bash)`."),
    "master": ("master", "Run a master: the API on https, its store, the controllers and the scheduler."),
    "agent": ("agent", "Run a node: pods, their network, and the Services' addresses."),
    "token": ("token", "Join tokens: what lets a new node in."),
    "encryption": ("encryption", "Encryption of Secrets, and of whatever else, in the store."),
    "image": (
        "image",
        "Images on this node: those loaded from files, which no registry is asked for, and those that were pulled.",
    ),
    "backup": (
        "backup",
        "Write all objects to FILE (`-`: standard output), consistent as of one revision, while the cluster runs.",
    ),
    "restore": (
        "restore",
        "Restore the objects in FILE (`-`: standard input) into an empty data directory or database; "
        "then start a master.",
    ),
    "check": ("check", "Hold every stored value against its checksum, and name what is damaged."),
    "compact": ("compact", "Delete superseded versions of objects now."),
}


class _Summaries(click.Group):
    """The commands as a list shows them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return click.Command(cmd_name, help=COMMANDS[cmd_name][1])


class _Commands(click.Group):
    """Imports a command's module when it is asked for: `procorch get` must not wait for what `up` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"cli.{module}"), name or "command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _Summaries().format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        found = [CompletionItem(name, help=COMMANDS[name][1]) for name in names]
        return [*found, *super(click.Group, self).shell_complete(ctx, incomplete)]  # and its options

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
