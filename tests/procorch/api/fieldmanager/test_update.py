"""Any write but an apply, and whom it makes the manager of what."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.fieldmanager.fieldset import difference
from procorch.api.fieldmanager.schema import written_shape
from procorch.api.fieldmanager.update import Update, keep_times
from procorch.kinds import KINDS

CONFIG_MAP, POD = KINDS["ConfigMap"], KINDS["Pod"]
KEYS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=4)


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u"}, "data": data}


def written(obj, old=None, manager="m", now=0.0, kind=CONFIG_MAP, subresource=""):
    """The object after this manager wrote it."""
    made = copy.deepcopy(obj)
    Update(manager, kind, subresource, now).track(made, old)
    return made


def fields_of(obj):
    return {row["manager"]: row["fieldsV1"] for row in obj["metadata"].get("managedFields", ())}


def test_a_creator_manages_what_it_created():
    made = written(config_map(x="1"))

    assert made["metadata"]["managedFields"] == [
        {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "1970-01-01T00:00:00Z",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:x": {}}}}
    ]  # fmt: skip


def test_a_pod_that_kubectl_creates_has_the_managed_fields_that_kubernetes_gives_it():
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"run": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}],
                                 "env": [{"name": "A", "value": "1"}],
                                 "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                 "volumes": [{"name": "v", "emptyDir": {}}]},
        "status": {},
    }  # fmt: skip
    POD.default(pod)

    assert fields_of(written(pod, kind=POD))["m"] == {
        "f:metadata": {"f:labels": {".": {}, "f:run": {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"web"}': {
                    ".": {},
                    "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                    "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
                    "f:ports": {".": {}, 'k:{"containerPort":80,"protocol":"TCP"}': {
                        ".": {}, "f:containerPort": {}, "f:protocol": {}}},
                    "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
                    "f:volumeMounts": {".": {}, 'k:{"mountPath":"/v"}': {".": {}, "f:mountPath": {}, "f:name": {}}},
                }
            },
            "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {}, "f:schedulerName": {},
            "f:securityContext": {}, "f:terminationGracePeriodSeconds": {},
            "f:volumes": {".": {}, 'k:{"name":"v"}': {".": {}, "f:emptyDir": {}, "f:name": {}}},
        },
    }  # fmt: skip


def test_who_changes_a_field_takes_it_over_and_the_other_keeps_the_rest():
    old = written(config_map(x="1", y="1"), manager="a")

    new = written(config_map(x="2", y="1", z="1"), old, manager="b")

    assert fields_of(new) == {
        "a": {"f:data": {".": {}, "f:y": {}}},
        "b": {"f:data": {"f:x": {}, "f:z": {}}},
    }


def test_what_goes_is_nobodys_and_who_has_nothing_left_is_gone():
    old = written(config_map(x="1", y="1"), written(config_map(y="1"), manager="a"), manager="b")

    assert fields_of(written(config_map(y="1"), old, manager="c")) == {"a": {"f:data": {".": {}, "f:y": {}}}}


def test_what_changes_nothing_changes_no_manager_and_no_time():
    old = written(config_map(x="1"), now=1)

    assert written(config_map(x="1"), old, manager="other", now=99)["metadata"] == old["metadata"]


def test_who_writes_again_is_one_entry_with_the_newer_time():
    new = written(config_map(x="1", y="2"), written(config_map(x="1"), now=1), now=60)

    assert [row["time"] for row in new["metadata"]["managedFields"]] == ["1970-01-01T00:01:00Z"]
    assert fields_of(new) == {"m": {"f:data": {".": {}, "f:x": {}, "f:y": {}}}}


def test_a_subresource_is_an_entry_of_its_own():
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": "u"}, "spec": {"hostname": "h"}}
    old = written(pod, kind=POD)

    new = written(pod | {"status": {"phase": "Running"}, "spec": {}}, old, kind=POD, subresource="status")

    assert [(row.get("subresource"), row["fieldsV1"]) for row in new["metadata"]["managedFields"]] == [
        (None, {"f:spec": {"f:hostname": {}}}),
        ("status", {"f:status": {"f:phase": {}}}),
    ]


def test_a_client_may_reset_the_managers_and_then_nobody_keeps_track():
    old = written(config_map(x="1"))
    asked = config_map(x="2")
    asked["metadata"]["managedFields"] = [{}]

    bare = written(asked, old)

    assert "managedFields" not in bare["metadata"]
    assert "managedFields" not in written(config_map(x="3"), bare)["metadata"]


def test_a_client_may_say_otherwise_who_manages_but_not_by_way_of_a_subresource():
    old = written(config_map(x="1"))
    asked = copy.deepcopy(old)
    asked["metadata"]["managedFields"][0] |= {"manager": "n", "operation": "Apply"}

    assert fields_of(written(asked, old)) == {"n": {"f:data": {".": {}, "f:x": {}}}}
    assert list(fields_of(written(asked, old, subresource="status"))) == ["m"]


@pytest.mark.parametrize(
    "said", [[], None, [{"manager": "x"}], ["x"], [{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                                                    "fieldsV1": {"bad": {}}}]],
)  # fmt: skip
def test_what_cannot_be_read_is_as_if_it_had_not_been_sent(said):
    old = written(config_map(x="1"))
    asked = config_map(x="1")
    asked["metadata"]["managedFields"] = said

    assert fields_of(written(asked, old)) == fields_of(old)


def test_there_are_at_most_ten_who_updated():
    obj = written(config_map(k="0"), now=0)
    for number in range(1, 15):
        obj = written(config_map(**obj["data"], **{f"k{number}": "x"}), obj, manager=f"m{number}", now=number)

    assert len(fields_of(obj)) == 10 and "ancient-changes" in fields_of(obj)


@given(KEYS, KEYS)
def test_what_is_new_or_other_is_the_writers_and_nothing_else_is(before, after):
    old = written(config_map(**before), manager="a")
    new = written(config_map(**after), old, manager="b")

    touched, _ = written_shape(CONFIG_MAP).compared(old, new)
    assert fields_of(new).get("b", {}) == (touched or {})
    everything = written_shape(CONFIG_MAP).compared({}, config_map(**after))[0]
    for fields in fields_of(new).values():
        assert not difference(fields, everything or {})


def test_times_stay_where_nothing_else_changes():
    old = written(config_map(x="1"), now=1)
    later = copy.deepcopy(old)
    later["metadata"]["managedFields"][0]["time"] = "2026-01-01T00:00:00Z"
    other = copy.deepcopy(later) | {"data": {"x": "2"}}

    keep_times(later, old)
    keep_times(other, old)

    assert later == old
    assert other["metadata"]["managedFields"][0]["time"] == "2026-01-01T00:00:00Z"
