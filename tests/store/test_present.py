from hypothesis import given
from hypothesis import strategies as st

from store import Row
from store.present import Present

KEYS = st.text("ab/", min_size=1, max_size=3)


@given(st.lists(st.tuples(KEYS, st.booleans())), st.text("ab/", max_size=2), KEYS, st.integers(0, 3))
def test_items_are_those_of_a_sorted_dict(steps: list[tuple[str, bool]], prefix: str, after: str, limit: int):
    present, model = Present(), {}
    for revision, (key, there) in enumerate(steps, 1):
        if there:
            model[key] = Row(key, b"", revision, revision)
            present.put(model[key])
        else:
            model.pop(key, None)
            present.drop(key)

    wanted = [model[key] for key in sorted(model) if key.startswith(prefix)]
    assert present.items(prefix, "", None) == wanted
    assert present.items(prefix, after, limit) == [row for row in wanted if row.key > after][:limit]
    assert len(present) == len(model)


def test_it_knows_the_bytes_it_holds():
    present = Present([Row("/a", b"12", 1, 1)])
    present.put(Row("/b", b"123", 2, 2))
    present.put(Row("/a", b"1", 3, 1))
    present.drop("/b")
    present.drop("/c")

    assert present.size == len("/a") + 1
