from hypothesis import given
from hypothesis import strategies as st

from store.rows import following

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(TEXTS, TEXTS)
def test_a_range_from_a_prefix_to_what_follows_it_holds_exactly_what_begins_with_it(prefix: str, key: str):
    end = following(prefix)
    inside = prefix <= key and (end is None or key < end)

    assert inside == key.startswith(prefix)
    if end is not None:
        assert prefix.encode() < end.encode(), "also in the order of a database, which is that of UTF-8's bytes"
