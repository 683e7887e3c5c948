"""managedFields as entries: read, written, capped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procorch.api.fieldmanager.entries import (
    APPLY,
    MOST_UPDATERS,
    UPDATE,
    Entry,
    capped,
    is_reset,
    owned,
    read,
    same_but_times,
    written,
)

ROW = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
       "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}}  # fmt: skip


def updater(name, second, version="v1", **fields):
    time = f"2026-01-01T00:00:{second:02}Z"
    return Entry(name, UPDATE, version, {f"f:{field}": {} for field in fields} or {f"f:{name}": {}}, time=time)


def managed(*entries):
    return {entry.identity: entry for entry in entries}


def test_what_is_written_reads_back_the_same():
    found = managed(updater("a", 1), Entry("b", APPLY, "v1", {"f:b": {}}, "status", "2026-01-01T00:00:00Z"))

    assert read(written(found)) == found
    assert written(read([ROW])) == [ROW]


def test_appliers_come_first_then_by_time_then_by_name():
    rows = written(managed(updater("b", 2), updater("z", 1), updater("a", 2), Entry("m", APPLY, "v1", {}, time="3")))

    assert [row["manager"] for row in rows] == ["m", "z", "a", "b"]


def test_an_applier_is_one_in_all_versions_and_an_updater_is_not():
    assert Entry("a", APPLY, "v1", {}).identity == Entry("a", APPLY, "v2", {}).identity
    assert Entry("a", UPDATE, "v1", {}).identity != Entry("a", UPDATE, "v2", {}).identity
    assert Entry("a", APPLY, "v1", {}).identity != Entry("a", APPLY, "v1", {}, "status").identity


@pytest.mark.parametrize(
    "change",
    [{"operation": "Delete"}, {"apiVersion": ""}, {"fieldsType": "FieldsV2"}, {"fieldsType": None},
     {"fieldsV1": {"a": {}}}, {"fieldsV1": []}],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused_from_a_client(change):
    row = ROW | change
    if change == {"fieldsV1": []}:
        row["fieldsV1"] = ["f:a"]

    with pytest.raises(ValueError):
        read([row])


def test_who_writes_is_named_in_conflicts():
    assert Entry("a", APPLY, "v1", {}).shown() == '"a"'
    assert Entry('a"', UPDATE, "apps/v1", {}).shown() == '"a\\"" using apps/v1'
    assert Entry("a", UPDATE, "v1", {}, "scale").shown() == '"a" with subresource "scale" using v1'


def test_up_to_ten_updaters_stay():
    found = managed(*(updater(f"m{number}", number) for number in range(MOST_UPDATERS)))

    assert capped(found) == found


def test_of_more_the_oldest_become_one():
    found = managed(*(updater(f"m{number}", number) for number in range(MOST_UPDATERS + 2)))

    result = capped(found)

    assert len(result) == MOST_UPDATERS
    ancient = next(entry for entry in result.values() if entry.manager == "ancient-changes")
    assert ancient.fields == {"f:m0": {}, "f:m1": {}, "f:m2": {}} and ancient.time.endswith("02Z")


def test_the_one_of_all_that_are_old_takes_in_the_next():
    found = capped(managed(*(updater(f"m{number}", number) for number in range(MOST_UPDATERS + 1))))
    new = updater("new", 50)

    result = capped(found | managed(new))

    ancient = [entry for entry in result.values() if entry.manager == "ancient-changes"]
    assert [sorted(entry.fields) for entry in ancient] == [["f:m0", "f:m1", "f:m2"]]
    assert len(result) == MOST_UPDATERS and new.identity in result


def test_each_apiversion_has_its_own_and_appliers_stay():
    appliers = [Entry(f"a{number}", APPLY, "v1", {"f:x": {}}) for number in range(20)]
    olds = [updater("one", 1, "v1"), updater("two", 2, "v2"), updater("three", 3, "v1"), updater("four", 4, "v2")]
    found = managed(*appliers, *olds, *(updater(f"m{number}", 10 + number) for number in range(8)))

    result = capped(found)

    assert all(entry.identity in result for entry in appliers)
    ancient = {entry.api_version: entry.fields for entry in result.values() if entry.manager == "ancient-changes"}
    assert ancient == {"v1": {"f:one": {}, "f:three": {}}, "v2": {"f:two": {}, "f:four": {}}}


def test_a_reset_is_one_empty_entry():
    assert is_reset([{}]) and not is_reset([]) and not is_reset(None) and not is_reset([ROW])


def test_times_alone_make_no_difference():
    later = ROW | {"time": "2027-01-01T00:00:00Z"}

    assert same_but_times([ROW], [later])
    assert not same_but_times([ROW], [ROW, later])
    assert not same_but_times([ROW], [ROW | {"manager": "n"}])


def test_what_several_manage():
    assert owned([updater("a", 1), replace(updater("b", 1), fields={"f:a": {"f:x": {}}})]) == {
        "f:a": {".": {}, "f:x": {}}
    }
