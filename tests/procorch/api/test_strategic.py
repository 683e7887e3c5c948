"""Strategic merge patch: every directive, on the lists of real kinds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procorch.api.patch import STRATEGIC_PATCH, apply_patch
from procorch.kinds import KINDS, schema
from procorch.objects import ApiError, BadRequest

POD = KINDS["Pod"]


def patched(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return apply_patch(STRATEGIC_PATCH, original, patch, POD)


def spec(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return patched({"spec": original}, {"spec": patch}).get("spec", {})


A, B, C = ({"name": name, "image": name} for name in "abc")


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        pytest.param({"nodeName": "a", "hostname": "h"}, {"nodeName": "b", "hostname": None}, {"nodeName": "b"},
                     id="scalars are set and, by null, removed"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "b", "image": "x"}]},
                     {"containers": [A, {"name": "b", "image": "x"}]}, id="an element is found by its merge key"),
        pytest.param({"containers": [A]}, {"containers": [C]}, {"containers": [C, A]},
                     id="a new element comes before those that the patch does not name"),
        pytest.param({"containers": [A, B]}, {"containers": [C], "$setElementOrder/containers":
                     [{"name": "a"}, {"name": "b"}, {"name": "c"}]}, {"containers": [A, B, C]},
                     id="$setElementOrder puts a new element last"),
        pytest.param({"containers": [A, B, C]}, {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
                     {"containers": [B, C, A]}, id="$setElementOrder alone reorders, others keep their place"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [B]},
                     id="$patch: delete on an element"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]},
                     id="$patch: replace in a list"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}]}, {"containers": []},
                     id="$patch: replace empties a list"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "c", "$patch": "replace"}, C]},
                     {"containers": [C]}, id="what else an element with $patch: replace has does not count"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, {"name": "z", "$patch": "delete"},
                     C, A]}, {"containers": [C, A]}, id="$patch: replace keeps the patch's order, deletions go"),
        pytest.param({"containers": [A, B, C]}, {"containers": [{"name": "a", "$patch": "delete"},
                     {"name": "a", "image": "x"}]}, {"containers": [{"name": "a", "image": "x"}, B, C]},
                     id="deleted and named again it is a new one"),
        pytest.param({"containers": [A]}, {"containers": [{"name": "b", "image": "1"}, {"name": "b", "tty": True}]},
                     {"containers": [{"name": "b", "image": "1", "tty": True}, A]},
                     id="two elements with one key are merged into each other"),
        pytest.param({"containers": [A]}, {"containers": [{"name": "a", "image": None}]}, {"containers":
                     [{"name": "a"}]}, id="null in an element"),
        pytest.param({"containers": [A]}, {"containers": None}, {}, id="null for a list"),
        pytest.param({"containers": [A]}, {"containers": []}, {"containers": [A]}, id="an empty list adds nothing"),
        pytest.param({"tolerations": [{"key": "a"}]}, {"tolerations": []}, {"tolerations": []},
                     id="an empty list takes the place of an atomic one"),
        pytest.param({"securityContext": {"runAsUser": 1, "fsGroup": 2}},
                     {"securityContext": {"$patch": "replace", "runAsGroup": 3}},
                     {"securityContext": {"runAsGroup": 3}},
                     id="$patch: replace on a map"),
        pytest.param({"securityContext": {"runAsUser": 1}}, {"securityContext": {"$patch": "delete"}},
                     {"securityContext": {}}, id="$patch: delete on a map"),
        pytest.param({}, {"securityContext": {"$patch": "replace", "runAsGroup": 3}}, {},
                     id="a map with a directive is not put where there was none"),
        pytest.param({"hostname": "h"}, {"hostname": {"$patch": "delete"}}, {},
                     id="a map with a directive in the place of a scalar only removes it"),
        pytest.param({}, {"securityContext": {"runAsUser": None, "seLinuxOptions": {"level": "s", "$patch": "replace"},
                     "runAsGroup": 1}}, {"securityContext": {"runAsGroup": 1}},
                     id="what is put where nothing was loses nulls and maps with directives"),
        pytest.param({"volumes": [{"name": "v", "emptyDir": {}}]}, {"volumes": [{"name": "v", "emptyDir": None,
                     "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}]},
                     {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, id="null needs no retaining"),
        pytest.param({"nodeName": "n", "hostname": "h"}, {"$retainKeys": []}, {}, id="nothing is retained"),
        pytest.param({"volumes": [{"name": "v", "emptyDir": {}}]},
                     {"volumes": [{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}]},
                     {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, id="$retainKeys drops the others"),
        pytest.param({"tolerations": [{"key": "a"}, {"key": "b"}]}, {"tolerations": [{"key": "c"}]},
                     {"tolerations": [{"key": "c"}]}, id="a list without a merge strategy is replaced"),
        pytest.param({"containers": [{"name": "a", "args": ["x", "y"]}]},
                     {"containers": [{"name": "a", "args": ["z"]}]},
                     {"containers": [{"name": "a", "args": ["z"]}]}, id="an atomic list of text is replaced"),
        pytest.param({"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81}]}]},
                     {"containers": [{"name": "a", "ports": [{"containerPort": 81, "name": "x"}]}]},
                     {"containers": [{"name": "a", "ports": [{"containerPort": 80},
                                                             {"containerPort": 81, "name": "x"}]}]},
                     id="numbers are merge keys too"),
        pytest.param({}, {"containers": [{"name": "a", "image": None}, {"name": "b", "$patch": "delete"}],
                          "$setElementOrder/containers": [{"name": "a"}]}, {"containers": [{"name": "a"}]},
                     id="directives and nulls do not get into an object that had no such field"),
        pytest.param({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"a": None, "c": "3"}},
                     {"nodeSelector": {"b": "2", "c": "3"}}, id="a map of text"),
        pytest.param({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"$retainKeys": ["a", "c"], "c": "3"}},
                     {"nodeSelector": {"a": "1", "c": "3"}}, id="$retainKeys on a map of text"),
        pytest.param({"containers": [A, B, C]}, {"$setElementOrder/containers": []}, {"containers": [A, B, C]},
                     id="an empty order changes nothing"),
        pytest.param({}, {"$setElementOrder/containers": [{"name": "a"}]}, {}, id="an order of nothing"),
        pytest.param({"containers": [A, B, C]}, {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}],
                     "containers": [{"name": "c", "image": "x"}, {"name": "a", "$patch": "delete"}]},
                     {"containers": [{"name": "c", "image": "x"}, B]}, id="order, change and deletion at once"),
        pytest.param({"containers": [{"name": "s1"}, A, {"name": "s2"}, B, {"name": "s3"}]},
                     {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
                     {"containers": [{"name": "s1"}, {"name": "s2"}, B, A, {"name": "s3"}]},
                     id="what only the server has stays before what it stood before"),
        pytest.param({"containers": [{"name": "a", "args": ["x", "y"]}]}, {"containers": [{"name": "a",
                     "$setElementOrder/args": ["y", "x"]}]}, {"containers": [{"name": "a", "args": ["y", "x"]}]},
                     id="an order of an atomic list of text"),
        pytest.param({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$deleteFromPrimitiveList/a": ["1"]}},
                     {"nodeSelector": {"a": "1"}}, id="a deletion from what is no list does nothing"),
        pytest.param({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "replace", "b": "2"}},
                     {"nodeSelector": {"b": "2"}}, id="$patch: replace on a map of text"),
        pytest.param({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"$patch": "delete", "b": "2"}},
                     {"nodeSelector": {}}, id="$patch: delete on a map of text"),
        pytest.param({"tolerations": [{"key": "a"}]}, {"tolerations": [{"$patch": "replace"}, {"key": "c"}]},
                     {"tolerations": [{"$patch": "replace"}, {"key": "c"}]},
                     id="in an atomic list a directive is a field like another"),
        pytest.param({"unheard": [1]}, {"unheard": [2]}, {"unheard": [2]}, id="an unknown list is replaced"),
    ],
)  # fmt: skip
def test_a_pod_s_specification(original, patch, result):
    assert spec(original, patch) == result


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["b", "a"]}),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}),
        ({"finalizers": ["a", "b", "c"]}, {"$deleteFromPrimitiveList/finalizers": ["b", "x"]},
         {"finalizers": ["a", "c"]}),
        ({"finalizers": ["a", "b"]},
         {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"], "$setElementOrder/finalizers": ["b", "c"]},
         {"finalizers": ["b", "c"]}),
        ({}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": None}, {}),
        ({"finalizers": ["a", "a", "b"]}, {"finalizers": ["c", "c"]}, {"finalizers": ["c", "a", "b"]}),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b", "a"]}, {"finalizers": ["b", "a"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["a"],
                                      "$setElementOrder/finalizers": ["a", "b"]}, {"finalizers": ["b"]}),
        ({"finalizers": ["a", "s", "b"]}, {"$setElementOrder/finalizers": ["b", "a"]}, {"finalizers": ["s", "b", "a"]}),
        ({"finalizers": ["a"]}, {"finalizers": [1], "$patch": "replace"}, {"finalizers": [1]}),
        ({"labels": {"a": "b"}}, {"labels": None}, {}),
        ({"ownerReferences": [{"uid": "1", "name": "a"}]}, {"ownerReferences": [{"uid": "1", "$patch": "delete"}]},
         {"ownerReferences": []}),
    ],
)  # fmt: skip
def test_metadata(original, patch, result):
    assert patched({"metadata": original}, {"metadata": patch}) == {"metadata": result}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        pytest.param({"$patch": "burn"}, "unknown patch type: burn in map: map[$patch:burn]",
                     id="an unknown directive on a map"),
        pytest.param({"$patch": "merge", "hostname": "h"}, "unknown patch type: merge in map: map[$patch:merge "
                     "hostname:h]", id="to merge is no directive"),
        pytest.param({"containers": [{"name": "a", "$patch": "burn"}]}, "unknown patch type: burn in map: "
                     "map[$patch:burn name:a]", id="an unknown directive on an element"),
        pytest.param({"containers": [{"name": "a", "$patch": "merge"}]},
                     "merging lists cannot yet be specified in the patch", id="to merge is no directive in a list"),
        pytest.param({"containers": [{"image": "x"}]}, "map: map[image:x] does not contain declared merge key: name",
                     id="an element without its merge key"),
        pytest.param({"containers": [{"$patch": "delete"}]},
                     "map: map[$patch:delete] does not contain declared merge key: name",
                     id="a deletion without the merge key"),
        pytest.param({"containers": ["a"]}, "list element types are not identical: [[map[image:a name:a] "
                     "map[image:b name:b]] [a]]", id="elements of two types"),
        pytest.param({"containers": [None]}, "list element types are not identical: [[map[image:a name:a] "
                     "map[image:b name:b]] [<nil>]]", id="an element that is null"),
        pytest.param({"$retainKeys": ["hostname"], "nodeName": "n"}, "invalid patch format of retainKeys",
                     id="a key that is not retained"),
        pytest.param({"$retainKeys": "hostname"}, "invalid patch format of retainKeys",
                     id="retained keys that are no list"),
        pytest.param({"$retainKeys": [1]}, "invalid patch format of retainKeys", id="retained keys that are no names"),
        pytest.param({"$deleteFromPrimitiveList/containers": [{"a": 1}]}, "invalid patch format of primitive list",
                     id="a deletion of what is no scalar"),
        pytest.param({"$deleteFromPrimitiveList": ["a"]}, "invalid patch format of primitive list",
                     id="a deletion from no field"),
        pytest.param({"$setElementOrder": ["a"]}, "invalid patch format of setElementOrder list",
                     id="an order of no field"),
        pytest.param({"$setElementOrder/containers": {"name": "a"}},
                     "expected a []interface {}, but received a map[string]interface {}",
                     id="an order that is no list"),
        pytest.param({"$setElementOrder/containers": [{"name": "a"}], "containers": "x"},
                     "expected a []interface {}, but received a string", id="an order of a list that is none"),
        pytest.param({"$setElementOrder/unheard": ["a"]},
                     'unable to find api field in struct for the json field "unheard"',
                     id="an order of an unknown field"),
        pytest.param({"$setElementOrder/containers": [{"image": "a"}]},
                     "map: map[image:a] does not contain declared merge key: name", id="an order without merge keys"),
        pytest.param({"$setElementOrder/containers": ["a"], "containers": [{"name": "a"}]},
                     "expected a map[string]interface {}, but received a string", id="an order of two types"),
        pytest.param({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]},
                     "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
                     id="an element that the order does not name"),
        pytest.param({"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                      "containers": [{"name": "b"}, {"name": "a"}]},
                     "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n"
                     "[map[name:a] map[name:b]]\n", id="elements in another order"),
    ],
)  # fmt: skip
def test_a_patch_that_breaks_the_rules_is_a_bad_request_in_kubernetes_words(patch, message):
    with pytest.raises(BadRequest) as refused:
        spec({"containers": [A, B]}, patch)

    assert refused.value.message == message


def test_lists_of_lists_are_invalid():
    with pytest.raises(ApiError, match="lists of lists are not supported") as refused:
        spec({"containers": [A]}, {"containers": [[]]})

    assert refused.value.code == 422


def merged_lists() -> list[tuple[str, str]]:
    """Every list of every kind that is merged by a key: the definition's name, and the field's."""
    return [
        (name, field.name)
        for name in schema.names()
        for field in schema.definition(name).fields.values()
        if "merge" in field.patch_strategy and field.merge_key
    ]


@pytest.mark.parametrize(("within", "field"), merged_lists())
def test_every_list_that_has_a_merge_key_is_merged_by_it(within, field):
    known = schema.definition(within).fields[field]
    key = known.merge_key
    assert known.type.of is not None
    other = next((name for name in schema.definition(known.type.of.name).fields if name != key), "x")
    original = {field: [{key: 1, other: "one"}, {key: 2, other: "two"}]}
    patch = {field: [{key: 2, other: "new"}, {key: 1, "$patch": "delete"}, {key: 3}],
             f"$setElementOrder/{field}": [{key: 3}, {key: 2}]}  # fmt: skip
    patch[field].sort(key=lambda one: -one[key])

    assert apply_patch(STRATEGIC_PATCH, original, patch, within) == {field: [{key: 3}, {key: 2, other: "new"}]}


def test_the_tables_tell_of_these_lists():
    """As the field tables of v1.37 have them: a few that clients live by, and how many there are about."""
    found = set(merged_lists())

    assert len(found) > 60
    for within, field in [("core.v1.PodSpec", "volumes"), ("core.v1.Container", "env"), ("core.v1.ServiceSpec",
        "ports"),
                          ("core.v1.ServiceAccount", "secrets"), ("apps.v1.DeploymentStatus", "conditions"),
                          ("core.v1.PodSpec", "topologySpreadConstraints"), ("core.v1.PodStatus",
                           "podIPs")]:  # fmt: skip
        assert (f"io.k8s.api.{within}", field) in found


def test_ports_of_a_service_merge_by_number():
    service = {"spec": {"ports": [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81}]}}
    result = apply_patch(STRATEGIC_PATCH, service, {"spec": {"ports": [{"port": 80, "name": "x"}]}}, KINDS["Service"])

    assert result["spec"]["ports"] == [{"name": "x", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81}]


def test_our_own_kind_merges_by_name_too():
    image = {"spec": {"env": [{"name": "A", "value": "1"}]}}
    result = apply_patch(STRATEGIC_PATCH, image, {"spec": {"env": [{"name": "A", "value": "2"}]}}, KINDS["Image"])

    assert result["spec"]["env"] == [{"name": "A", "value": "2"}]


_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")},
                          optional={"image": st.sampled_from("xyz"), "tty": st.booleans()}),
    unique_by=lambda one: one["name"], max_size=4,
)  # fmt: skip


@given(_CONTAINERS, _CONTAINERS)
def test_every_named_element_gets_in_once_the_others_stay_and_a_second_time_changes_nothing(original, patch):
    before = copy.deepcopy(original)
    once = spec({"containers": original}, {"containers": patch})
    names = [one["name"] for one in once["containers"]]

    assert sorted(names) == sorted({one["name"] for one in (*original, *patch)})
    found = {one["name"]: one for one in once["containers"]}
    assert all(one.items() <= found[one["name"]].items() for one in patch)
    assert spec(once, {"containers": patch}) == once
    assert original == before


@given(_CONTAINERS, st.permutations("abcd"))
def test_an_order_that_names_everything_is_the_order(original, order):
    result = spec({"containers": original}, {"$setElementOrder/containers": [{"name": name} for name in order]})
    names = [one["name"] for one in result["containers"]]

    assert names == [name for name in order if name in names]


# --- a slow, plain model ---------------------------------------------------------------------------------------------

#: the merge key of each merged list of a pod's specification that the patches below are about
_KEYS = {"containers": "name", "env": "name", "ports": "containerPort", "volumes": "name"}


def slow(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The same merge, told field by field."""
    if "$patch" in patch:
        return {} if patch["$patch"] == "delete" else {name: patch[name] for name in patch if name != "$patch"}
    kept = patch.get("$retainKeys")
    result = {name: value for name, value in original.items() if kept is None or name in kept}
    for name in {name.partition("/")[2] or name for name in patch if name != "$retainKeys"}:
        value = slow_field(result.get(name), patch.get(name, result.get(name)), name, name in patch)
        order = patch.get(f"$setElementOrder/{name}")
        if order is not None and isinstance(value, list):
            value = placed(value, order, result.get(name, []), _KEYS.get(name))
        result[name] = value
        if value is None:
            del result[name]
    return result


def slow_field(old: Any, new: Any, name: str, is_named: bool) -> Any:
    if not is_named or new is None:
        return new
    if isinstance(old, dict) and isinstance(new, dict):
        return slow(old, new)
    if isinstance(old, list) and name in _KEYS:
        return slow_list(old, new, _KEYS[name])
    return bare(new)


def bare(new: Any) -> Any:
    """Nulls and maps with a $patch go; None for nothing at all."""
    if isinstance(new, dict):
        inner = {name: bare(value) for name, value in new.items()}
        return None if "$patch" in new else {name: value for name, value in inner.items() if value is not None}
    if isinstance(new, list):
        return [bare(value) for value in new if bare(value) is not None]
    return new


def slow_list(old: list[Any], new: list[Any], key: str) -> list[Any]:
    plain = [one for one in new if "$patch" not in one]
    if any(one.get("$patch") == "replace" for one in new):
        return plain
    gone = [one[key] for one in new if one.get("$patch") == "delete"]
    result = [one for one in old if one[key] not in gone]
    left = list(result)
    for one in plain:
        found = [index for index, other in enumerate(result) if other[key] == one[key]]
        if found:
            result[found[0]] = slow(result[found[0]], one)
        else:
            result.append(one)
    return placed(result, plain, left, key)


def placed(values: list[Any], order: list[Any], before: list[Any], key: str | None) -> list[Any]:
    """Those that the order names in its order; each other one before the first of them that it stood before."""

    def name(one: Any) -> Any:
        return one[key] if key else one

    named, was = [name(one) for one in order], [name(one) for one in before]
    result = [one for wanted in named for one in values if name(one) == wanted]
    place = 0
    for other in [one for wanted in was for one in values if name(one) == wanted and wanted not in named]:
        while place < len(result) and (
            name(result[place]) not in was or was.index(name(result[place])) < was.index(name(other))
        ):
            place += 1
        result.insert(place, other)
        place += 1
    return result


def _unique(key: str) -> Any:
    return lambda one: one[key]


_TEXT = st.sampled_from("xyz")
_ENV = st.fixed_dictionaries({"name": st.sampled_from("ABC")}, optional={"value": _TEXT})
_PORT = st.fixed_dictionaries({"containerPort": st.integers(1, 3)}, optional={"protocol": _TEXT})
_SECURITY = st.fixed_dictionaries({}, optional={"runAsUser": st.integers(1, 3), "runAsGroup": st.integers(1, 3)})
_CONTAINER = st.fixed_dictionaries(
    {"name": st.sampled_from("abcd")},
    optional={"image": _TEXT, "args": st.lists(_TEXT, max_size=2), "securityContext": _SECURITY,
              "env": st.lists(_ENV, unique_by=_unique("name"), max_size=3),
              "ports": st.lists(_PORT, unique_by=_unique("containerPort"), max_size=3)},
)  # fmt: skip
_SPEC = st.fixed_dictionaries(
    {},
    optional={"containers": st.lists(_CONTAINER, unique_by=_unique("name"), max_size=4), "hostname": _TEXT,
              "securityContext": _SECURITY, "nodeSelector": st.dictionaries(st.sampled_from("ab"), _TEXT)},
)  # fmt: skip


@st.composite
def _patches(draw: st.DrawFn, value: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """What a patch may say that has these values: with nulls and every directive, as the rules allow them."""
    patch: dict[str, Any] = {}
    for name, one in value.items():
        if isinstance(one, dict):
            patch[name] = None if draw(st.integers(0, 9)) == 0 else draw(_patches(one, depth + 1))
        elif name in _KEYS:
            elements = [draw(_patches(each, depth + 1)) for each in one]
            order = draw(st.permutations([each[_KEYS[name]] for each in one]))
            elements = [{_KEYS[name]: each[_KEYS[name]], **rest} for each, rest in zip(one, elements, strict=True)]
            elements.sort(key=lambda each, name=name, order=order: order.index(each[_KEYS[name]]))
            if draw(st.booleans()):
                patch[f"$setElementOrder/{name}"] = [{_KEYS[name]: each} for each in order]
            if draw(st.integers(0, 9)) == 0:
                elements.insert(0, {"$patch": "replace"})
            patch[name] = elements
        else:
            patch[name] = None if name not in _KEYS.values() and draw(st.integers(0, 4)) == 0 else one
    if depth and draw(st.integers(0, 5)) == 0:
        patch["$patch"] = draw(st.sampled_from(["delete", "replace"])) if depth > 1 else "delete"
    elif draw(st.integers(0, 5)) == 0:
        patch["$retainKeys"] = [name for name in patch if not name.startswith("$")] + [draw(st.sampled_from(["image"]))]
    return patch


def _shown(value: Any) -> Any:
    """As it is kept: nulls inside of what was taken whole are dropped where the fields are checked."""
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items() if one is not None}
    return [_shown(one) for one in value] if isinstance(value, list) else value


@settings(max_examples=300, deadline=None)
@given(_SPEC, _SPEC.flatmap(_patches))
def test_the_merge_is_what_the_slow_model_makes_of_it(original, patch):
    assert _shown(spec(original, copy.deepcopy(patch))) == _shown(slow(original, patch))
