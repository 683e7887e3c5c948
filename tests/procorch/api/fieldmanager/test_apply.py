"""Server-side apply: tables of what it does to objects and managers, and what must hold whatever is applied."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procorch.api.fieldmanager import Apply, Update
from procorch.api.fieldmanager.entries import owned, read
from procorch.api.fieldmanager.fieldset import difference, intersection
from procorch.api.fieldmanager.schema import shape_of, written_shape
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Conflict

CONFIG_MAP, POD, EVENT = KINDS["ConfigMap"], KINDS["Pod"], KINDS["Event"]
NEW_EVENT = KINDS.get("events.k8s.io", "v1", "events")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def config_map(_metadata=None, **data):
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **(_metadata or {})}}
    return made | {"data": data} if data else made


def pod(*containers, **spec):
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    if containers:
        spec["containers"] = list(containers)
    return made


def apply(live, config, manager="m", *, force=False, kind=CONFIG_MAP, subresource="", now=0.0):
    """The object after the apply; neither argument is touched."""
    before = copy.deepcopy((live, config))
    made = Apply(manager, force, kind, subresource, now).to(live, config)
    assert (live, config) == before
    return json.loads(json.dumps(made))


def update(live, manager="u", kind=CONFIG_MAP, now=0.0, **parts):
    """The object after a plain write of these parts."""
    made = copy.deepcopy(live) | copy.deepcopy(parts)
    Update(manager, kind, "", now).track(made, live)
    return made


def fields_of(obj):
    return {row["manager"]: row["fieldsV1"] for row in obj["metadata"].get("managedFields", ())}


def data_of(*names):
    return {"f:data": {f"f:{name}": {} for name in names}}


# --- objects and managers --------------------------------------------------------------------------------------------


def test_the_first_apply_makes_the_object_and_its_manager():
    made = apply(None, config_map(x="1"))

    assert made["data"] == {"x": "1"}
    assert made["metadata"]["managedFields"] == [
        {"manager": "m", "operation": "Apply", "apiVersion": "v1", "time": "1970-01-01T00:00:00Z",
         "fieldsType": "FieldsV1", "fieldsV1": data_of("x")}
    ]  # fmt: skip


def test_a_second_manager_adds_fields_and_shares_those_on_which_both_agree():
    made = apply(apply(None, config_map(x="1", y="1"), "a"), config_map(y="1", z="1"), "b")

    assert made["data"] == {"x": "1", "y": "1", "z": "1"}
    assert fields_of(made) == {"a": data_of("x", "y"), "b": data_of("y", "z")}


def test_a_field_goes_when_the_last_who_applies_it_does_so_no_more():
    both = apply(apply(None, config_map(x="1", y="1"), "a"), config_map(y="1"), "b")

    without = apply(both, config_map(x="1"), "a")
    neither = apply(without, config_map(), "b")

    assert without["data"] == {"x": "1", "y": "1"}
    assert neither["data"] == {"x": "1"} and fields_of(neither) == {"a": data_of("x")}


def test_a_field_that_an_updater_has_taken_over_stays_when_it_is_not_applied_any_more():
    made = update(apply(None, config_map(x="1", y="1")), data={"x": "2", "y": "1"})

    left = apply(made, config_map(), "m")

    assert left["data"] == {"x": "2"} and fields_of(left) == {"u": data_of("x")}


def test_fields_that_nobody_manages_stay():
    live = apply(None, config_map(x="1")) | {"immutable": True}

    assert apply(live, config_map())["immutable"] is True


def test_another_value_is_a_conflict_and_nothing_has_changed():
    live = apply(None, config_map(x="1", y="1"), "a")

    with pytest.raises(Conflict) as refused:
        apply(live, config_map(x="2"), "b")

    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "a": .data.x'
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert refused.value.details == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.x"}]
    }


def test_several_conflicts_are_listed_by_manager():
    live = apply(None, config_map(x="1", y="1"), "a")
    live = update(live, "b", data={"x": "1", "y": "1", "z": "1"})

    with pytest.raises(Conflict) as refused:
        apply(live, config_map(x="2", y="2", z="2"), "c")

    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "a":\n- .data.x\n- .data.y\nconflicts with "b" using v1:\n'
        "- .data.z"
    )


def test_force_takes_the_fields_over():
    live = apply(None, config_map(x="1", y="1"), "a")

    made = apply(live, config_map(x="2"), "b", force=True)

    assert made["data"] == {"x": "2", "y": "1"}
    assert fields_of(made) == {"a": data_of("y"), "b": data_of("x")}


def test_who_forces_all_fields_is_alone():
    assert list(fields_of(apply(apply(None, config_map(x="1"), "a"), config_map(x="2"), "b", force=True))) == ["b"]


def test_applying_again_changes_nothing_and_keeps_the_time():
    live = apply(None, config_map(x="1"), now=1)

    assert apply(live, config_map(x="1"), now=99) == live


def test_another_set_of_fields_has_a_new_time_even_where_no_value_changes():
    live = apply(apply(None, config_map(x="1", y="1"), "a"), config_map(x="1"), "b", now=1)

    assert _times(apply(live, config_map(), "b", now=9)) == {"a": "1970-01-01T00:00:00Z"}
    assert _times(apply(live, config_map(x="1", y="1"), "b", now=9))["b"] == "1970-01-01T00:00:09Z"


def _times(obj):
    return {row["manager"]: row["time"] for row in obj["metadata"].get("managedFields", ())}


def test_what_was_there_before_anybody_kept_track_has_a_manager_of_its_own():
    live = config_map({"uid": "u"}, x="1", y="1")

    with pytest.raises(Conflict, match=r'"before-first-apply" using v1: \.data\.x'):
        apply(live, config_map(x="2"))
    made = apply(live, config_map(x="1"))
    assert fields_of(made) == {"m": data_of("x"), "before-first-apply": {"f:data": {".": {}, "f:x": {}, "f:y": {}}}}


def test_a_configuration_without_fields_makes_no_manager():
    assert "managedFields" not in apply(None, config_map())["metadata"]


def test_the_server_fields_and_the_name_are_nobodys():
    made = apply(None, config_map({"uid": "u", "namespace": "n", "labels": {"a": "b"}}))

    assert fields_of(made) == {"m": {"f:metadata": {"f:labels": {"f:a": {}}}}}


# --- lists, structs, nulls -------------------------------------------------------------------------------------------


MAIN = {"name": "main", "image": "one"}
SIDE = {"name": "side", "image": "two"}


def test_elements_of_several_managers_stand_beside_each_other():
    made = apply(apply(None, pod(MAIN), "a", kind=POD), pod(SIDE), "b", kind=POD)

    assert made["spec"]["containers"] == [MAIN, SIDE]
    assert apply(made, pod(), "a", kind=POD)["spec"]["containers"] == [SIDE]


def test_an_element_that_goes_takes_what_was_filled_in_with_it():
    live = apply(None, pod(MAIN, SIDE), kind=POD)
    live["spec"]["containers"][0]["imagePullPolicy"] = "Always"  # a default: nobody's

    assert apply(live, pod(SIDE), kind=POD)["spec"]["containers"] == [SIDE]


def test_an_element_that_another_applies_too_loses_only_what_is_not_theirs():
    live = apply(None, pod(MAIN | {"stdin": True}), "a", kind=POD)
    live = apply(live, pod({"name": "main"}), "b", kind=POD)

    assert apply(live, pod(), "a", kind=POD)["spec"]["containers"] == [{"name": "main"}]


def test_two_managers_give_one_container_different_variables_and_ports():
    first = MAIN | {"env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]}
    second = {"name": "main", "env": [{"name": "B", "value": "2"}],
              "ports": [{"containerPort": 80, "protocol": "UDP"}]}  # fmt: skip
    made = apply(apply(None, pod(first), "a", kind=POD), pod(second), "b", kind=POD)

    container = made["spec"]["containers"][0]
    assert [row["name"] for row in container["env"]] == ["A", "B"]
    assert [row.get("protocol", "TCP") for row in container["ports"]] == ["TCP", "UDP"]
    left = apply(made, pod(MAIN), "a", kind=POD)["spec"]["containers"][0]
    assert [row["name"] for row in left["env"]] == ["B"]


def test_a_port_is_the_same_with_its_protocol_and_without():
    live = apply(None, pod(MAIN | {"ports": [{"containerPort": 80, "protocol": "TCP"}]}), kind=POD)

    made = apply(live, pod(MAIN | {"ports": [{"containerPort": 80, "name": "web"}]}), kind=POD)

    assert made["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "name": "web"}]


def test_an_atomic_list_has_one_manager():
    live = apply(None, pod(MAIN | {"command": ["a", "b"]}), "a", kind=POD)

    with pytest.raises(Conflict, match=r'\.spec\.containers\[name="main"\]\.command'):
        apply(live, pod({"name": "main", "command": ["a"]}), "b", kind=POD)
    assert "command" not in apply(live, pod(MAIN), "a", kind=POD)["spec"]["containers"][0]


def test_an_atomic_map_is_replaced_whole():
    live = apply(None, pod(nodeSelector={"a": "1"}), kind=POD)

    assert apply(live, pod(nodeSelector={"b": "1"}), kind=POD)["spec"]["nodeSelector"] == {"b": "1"}


def test_a_struct_goes_when_its_last_field_goes():
    live = apply(None, pod(MAIN, securityContext={"runAsUser": 1}), kind=POD)

    assert "securityContext" not in apply(live, pod(MAIN), kind=POD)["spec"]


def test_a_map_that_is_emptied_goes_unless_it_is_applied_empty():
    live = apply(None, config_map(x="1"))

    assert "data" not in apply(live, config_map())
    assert apply(live, config_map() | {"data": {}})["data"] == {}


def test_a_struct_goes_with_all_that_was_filled_in():
    live = apply(None, pod(MAIN | {"livenessProbe": {"tcpSocket": {"port": 1}}}), kind=POD)
    live["spec"]["containers"][0]["livenessProbe"] |= {"periodSeconds": 10, "failureThreshold": 3}

    assert apply(live, pod(MAIN), kind=POD)["spec"]["containers"] == [MAIN]


def test_a_struct_stays_with_the_fields_of_others():
    live = apply(None, pod(MAIN, securityContext={"runAsUser": 1}), "a", kind=POD)
    live = apply(live, pod(securityContext={"runAsGroup": 1}), "b", kind=POD)

    assert apply(live, pod(MAIN), "a", kind=POD)["spec"]["securityContext"] == {"runAsGroup": 1}


def test_a_null_unsets_a_scalar_and_owns_it():
    live = apply(None, pod(hostname="h"), "a", kind=POD)

    made = apply(live, pod(hostname=None), "a", kind=POD)

    assert made["spec"]["hostname"] is None
    assert fields_of(made) == {"a": {"f:spec": {"f:hostname": {}}}}


def test_finalizers_are_a_set():
    live = apply(None, config_map({"finalizers": ["x/a"]}), "a")
    live = apply(live, config_map({"finalizers": ["x/b"]}), "b")
    assert live["metadata"]["finalizers"] == ["x/a", "x/b"]

    assert apply(live, config_map(), "a")["metadata"]["finalizers"] == ["x/b"]


def test_owners_are_told_by_uid():
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}
    live = apply(None, config_map({"ownerReferences": [owner]}), "a")

    made = apply(live, config_map({"ownerReferences": [owner | {"uid": "2"}]}), "b")

    assert [row["uid"] for row in made["metadata"]["ownerReferences"]] == ["1", "2"]


# --- parts and versions ----------------------------------------------------------------------------------------------


def test_the_status_and_the_rest_have_managers_of_their_own():
    live = apply(None, pod(hostname="h") | {"status": {"phase": "x"}}, kind=POD)
    condition = {"type": "Ready", "status": "True"}
    made = apply(live, pod(hostname="other") | {"status": {"conditions": [condition]}}, kind=POD, subresource="status")

    rows = {row.get("subresource", ""): row["fieldsV1"] for row in made["metadata"]["managedFields"]}
    assert rows[""] == {"f:spec": {"f:hostname": {}}}
    assert rows["status"].keys() == {"f:status"}


def test_an_apply_in_another_version_shares_and_conflicts_in_its_own_words():
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "message": "one", "reason": "R"}
    note = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a", "labels": {"x": "y"}}}
    live = apply(None, event | {"metadata": {"name": "a", "labels": {"x": "y"}}}, "a", kind=EVENT)

    with pytest.raises(Conflict, match=r'conflict with "a": \.message'):
        apply(NEW_EVENT.shown(live), note | {"note": "two"}, "b", kind=NEW_EVENT)
    both = NEW_EVENT.stored(apply(NEW_EVENT.shown(live), note | {"note": "one"}, "b", kind=NEW_EVENT))
    left = apply(both, event | {"message": "one"}, "a", kind=EVENT)

    assert left["metadata"]["labels"] == {"x": "y"}, "still managed, in the words of the other version"
    assert [row["apiVersion"] for row in left["metadata"]["managedFields"]] == ["v1", "events.k8s.io/v1"]


# --- kubectl's client-side apply -------------------------------------------------------------------------------------


def client_side(**data):
    config = config_map(**data)
    noted = copy.deepcopy(config)
    noted["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(config)}
    Update("kubectl-client-side-apply", CONFIG_MAP, "", 0).track(noted, None)
    noted["metadata"]["uid"] = "u"
    return noted


def test_kubectl_goes_on_where_its_client_side_apply_has_stopped():
    made = apply(client_side(x="1"), config_map(x="2"), "kubectl")

    assert made["data"] == {"x": "2"}
    assert json.loads(made["metadata"]["annotations"][LAST_APPLIED]) == config_map(x="2")


def test_but_not_over_what_somebody_else_changed_since():
    live = update(client_side(x="1", y="1"), "other", data={"x": "1", "y": "2"})

    with pytest.raises(Conflict, match=r'1 conflict: conflict with "other" using v1: \.data\.y'):
        apply(live, config_map(x="2", y="3"), "kubectl")


def test_and_nobody_but_kubectl_may():
    with pytest.raises(Conflict, match="kubectl-client-side-apply"):
        apply(client_side(x="1"), config_map(x="2"), "helm")


@pytest.mark.parametrize("noted", ["", "{", "[]", '{"apiVersion": "v2"}', "null"])
def test_an_annotation_that_says_nothing_helps_nobody(noted):
    live = client_side(x="1")
    live["metadata"]["annotations"][LAST_APPLIED] = noted

    with pytest.raises(Conflict):
        apply(live, config_map(x="2"), "kubectl")


# --- what cannot be applied ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ([], "cannot unmarshal array into Go value of type map"),
        ({"kind": "ConfigMap"}, "Incorrect version specified in apply patch. Specified patch version: , expected: v1"),
        (config_map() | {"apiVersion": "v2"}, "Specified patch version: v2, expected: v1"),
        (config_map() | {"kind": "Secret"}, "the kind in the apply patch .Secret."),
        (config_map({"managedFields": []}), "metadata.managedFields must be nil"),
        (config_map({"namespace": "n"}) | {"dta": {}},
         r"failed to create typed patch object \(n/a; /v1, Kind=ConfigMap\): .dta: field not declared in schema"),
        (config_map(x=1) | {"immutable": "no"},
         'errors:\n  .data.x: expected string, got 1\n  .immutable: expected boolean, got "no"'),
        (config_map() | {"metadata": []}, r".metadata: expected map, got \[\]"),
    ],
)  # fmt: skip
def test_what_is_no_configuration_is_refused(config, why):
    with pytest.raises(BadRequest, match=why):
        Apply("m", False, CONFIG_MAP, "", 0).check(config)


# --- what must hold, whatever is applied -----------------------------------------------------------------------------

TEXTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(("one", "two", "three"))},
        optional={
            "image": st.sampled_from("xyz"),
            "command": st.lists(st.sampled_from("ab"), max_size=2),
            "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from("AB"), "value": st.sampled_from("xyz")}),
                            max_size=2, unique_by=lambda row: row["name"]),
            "ports": st.lists(st.fixed_dictionaries({"containerPort": st.integers(80, 81)},
                                                    optional={"protocol": st.just("UDP"), "name": st.just("p")}),
                              max_size=2, unique_by=lambda row: (row["containerPort"], row.get("protocol"))),
            "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 2),
                                                                   "privileged": st.booleans()}),
        },
    ),
    max_size=3, unique_by=lambda row: row["name"],
)  # fmt: skip
CONFIGS = st.builds(
    lambda labels, finalizers, containers, selector: {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "labels": labels, "finalizers": finalizers},
        "spec": {"containers": containers, "nodeSelector": selector},
    },
    TEXTS, st.lists(st.sampled_from(("x/a", "x/b")), unique=True), CONTAINERS, TEXTS,
)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from("ab"), CONFIGS), max_size=4)


def story(steps):
    """A pod after several managers have applied and updated it, by force."""
    live = None
    for manager, config in steps:
        if manager == "b" and live is not None:
            live = update(live, "b", POD, spec=config["spec"])
        else:
            live = apply(live, config, manager, force=True, kind=POD)
    return live


@settings(max_examples=150, deadline=None)
@given(STEPS, CONFIGS)
def test_applying_twice_changes_nothing(steps, config):
    once = apply(story(steps), config, force=True, kind=POD)

    assert apply(once, config, force=True, kind=POD, now=99) == once
    assert apply(once, config, kind=POD, now=99) == once


@settings(max_examples=150, deadline=None)
@given(STEPS, CONFIGS)
def test_the_object_is_then_as_the_configuration_says(steps, config):
    made = apply(story(steps), config, force=True, kind=POD)

    touched, _ = shape_of(POD).compared(made, shape_of(POD).merged(made, config))
    assert touched is None
    assert fields_of(made).get("m", {}) == (written_shape(POD).applied(config) or {})


@settings(max_examples=150, deadline=None)
@given(STEPS, CONFIGS, CONFIGS)
def test_what_is_applied_no_more_and_nobody_else_manages_is_gone(steps, config, next_config):
    made = apply(story(steps), config, force=True, kind=POD)
    left = apply(made, next_config, force=True, kind=POD)

    everybody = owned(read(left["metadata"].get("managedFields")).values())
    dropped = difference(fields_of(made).get("m", {}), everybody)
    there = written_shape(POD).applied(left) or {}
    assert not intersection(dropped, there)


@settings(max_examples=150, deadline=None)
@given(STEPS, CONFIGS)
def test_without_force_the_fields_of_others_never_change(steps, config):
    live = story(steps)
    try:
        made = apply(live, config, kind=POD)
    except Conflict:
        return
    touched, gone = written_shape(POD).compared(live or {}, made)

    for manager, fields in (fields_of(live) if live else {}).items():
        if manager == "m":
            continue
        assert fields_of(made)[manager] == fields
        assert not intersection(fields, touched or {})
        # an element goes as a whole with who applied it, also where somebody has changed one of its fields
        assert all(path.startswith("f:spec") for path in intersection(fields, gone or {}))
