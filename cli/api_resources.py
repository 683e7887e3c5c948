"""`procorch api-resources`: the kinds that the server knows."""

from __future__ import annotations

import click
import orjson

from cli.access import Cluster, cluster_command
from cli.output import print_table
from procorch.objects import Object


@click.command("api-resources")
@click.option("--verbs", default="", help="Only what can be: list,watch.")
@click.option("--namespaced", type=bool, help="Only what is in namespaces (true), or is not (false).")
@click.option("--api-group", help="Only of this group.")
@click.option("--no-headers", is_flag=True, help="Rows alone.")
@cluster_command
async def command(
    cluster: Cluster, verbs: str, namespaced: bool | None, api_group: str | None, no_headers: bool
) -> None:
    """List the resource types, as the server tells them."""
    wanted = {one.strip() for one in verbs.split(",") if one.strip()}
    rows = []
    for version in await _group_versions(cluster):
        group = version.partition("/")[0] if "/" in version else ""
        if api_group is not None and group != api_group:
            continue
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        found: Object = orjson.loads((await cluster.client.raw("GET", path)).body)
        for one in found["resources"]:
            if "/" in one["name"] or not wanted <= set(one["verbs"]):
                continue
            if namespaced is not None and one["namespaced"] != namespaced:
                continue
            shorts = ",".join(one.get("shortNames") or [])
            rows.append([one["name"], shorts, version, str(one["namespaced"]).lower(), one["kind"]])
    rows.sort(key=lambda row: (row[2].partition("/")[0] if "/" in row[2] else "", row[0]))
    print_table(["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"], rows, no_headers=no_headers)


async def _group_versions(cluster: Cluster) -> list[str]:
    core: Object = orjson.loads((await cluster.client.raw("GET", "/api")).body)
    groups: Object = orjson.loads((await cluster.client.raw("GET", "/apis")).body)
    named = [version["groupVersion"] for group in groups["groups"] for version in group["versions"]]
    return [*core["versions"], *named]
