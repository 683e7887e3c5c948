"""What every cluster has of flow control: made, kept, and left alone where an administrator has changed it."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.flowcontrol import KINDS, ensure, left_over, revise
from procorch.kinds.flowcontrol import AUTO_UPDATE, mandatory, suggested
from procorch.objects import Object
from store import Log

SYSTEM = next(one for one in suggested() if one["metadata"]["name"] == "system")
OWN = {**SYSTEM["spec"], "limited": {**SYSTEM["spec"]["limited"], "nominalConcurrencyShares": 99}}


def stored(spec: Object, annotation: str | None, generation: int = 1) -> Object:
    metadata: Object = {"name": "system", "generation": generation}
    if annotation is not None:
        metadata["annotations"] = {AUTO_UPDATE: annotation}
    return {**SYSTEM, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("old", "follows"),
    [
        pytest.param(stored(OWN, "true"), True, id="it says that it follows"),
        pytest.param(stored(OWN, "false"), False, id="it says that it does not"),
        pytest.param(stored(OWN, None, 1), True, id="it says nothing and was never changed"),
        pytest.param(stored(OWN, None, 2), False, id="it says nothing and was changed"),
        pytest.param(stored(OWN, "perhaps", 2), False, id="what it says is neither"),
    ],
)
def test_a_suggested_one_follows_as_long_as_nobody_has_changed_it(old: Object, follows: bool) -> None:
    found = revise(old, SYSTEM, is_mandatory=False) or old

    assert found["spec"] == (SYSTEM["spec"] if follows else OWN)
    assert found["metadata"]["annotations"][AUTO_UPDATE] == ("true" if follows else "false")
    assert revise(found, SYSTEM, is_mandatory=False) is None


def test_a_mandatory_one_is_kept_as_it_is_but_for_the_numbers_of_exempt() -> None:
    exempt = next(one for one in mandatory() if one["kind"] == KINDS[0] and one["metadata"]["name"] == "exempt")
    tuned = {**exempt, "spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 7, "lendablePercent": 5}}}
    annotated = {**exempt, "metadata": {"name": "exempt", "annotations": {AUTO_UPDATE: "false"}}}

    assert revise(tuned, exempt, is_mandatory=True) is None
    revised = revise(annotated, exempt, is_mandatory=True)
    assert revised is not None and revised["metadata"]["annotations"] == {AUTO_UPDATE: "true"}


def test_only_what_an_older_program_made_goes() -> None:
    made = [stored(OWN, said) for said in ("true", "false", None)]
    for number, one in enumerate(made):
        one["metadata"]["name"] = f"old-{number}"

    assert left_over([*made, stored(OWN, "true")], {"system"}) == ["old-0"]


async def test_they_are_made_with_valid_specs_once_and_made_again() -> None:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("admin", ("system:masters",))))
    await ensure(client)
    revision = log.revision
    await ensure(client)
    assert log.revision == revision  # nothing is written where all is right

    await client.delete("FlowSchema", "exempt")
    await client.patch(KINDS[0], "system", {"spec": {"limited": {"nominalConcurrencyShares": 1}}})
    await client.create({**SYSTEM, "metadata": {"name": "old", "annotations": {AUTO_UPDATE: "true"}}})
    await ensure(client)

    async def names(kind: str) -> dict[str, Any]:
        return {one["metadata"]["name"]: one for one in (await client.items(kind)).objects}

    levels, schemas = await names(KINDS[0]), await names(KINDS[1])
    assert len(levels) == 8 and len(schemas) == 11 and "exempt" in schemas
    assert levels["system"]["spec"] == SYSTEM["spec"]
    await api.close()
    await log.close()
