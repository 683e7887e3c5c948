from hypothesis import given
from hypothesis import strategies as st

from store.rows import following, within

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(TEXTS, TEXTS)
def test_a_range_from_a_prefix_to_what_follows_it_holds_exactly_what_begins_with_it(prefix: str, key: str):
    end = following(prefix)
    inside = prefix <= key and (end is None or key < end)

    assert inside == key.startswith(prefix)
    if end is not None:
        assert prefix.encode() < end.encode(), "also in the order of a database, which is that of UTF-8's bytes"


@given(st.lists(TEXTS, unique=True), TEXTS, TEXTS, st.none() | st.integers(0, 3))
def test_what_is_within_a_range_of_keys(keys: list[str], prefix: str, after: str, limit: int | None):
    wanted = [key for key in sorted(keys) if key.startswith(prefix) and (key > after or not after)]

    assert within(sorted(keys), prefix, after, limit) == wanted[:limit]
