import random

import pytest

from store import Damaged
from store.checksum import checksum, is_named, is_whole, refuse_damaged, sealed

CHANGE = (7, "/pods/default/wäb", b"value", 3, 1_700_000_000_000)


def test_every_flipped_bit_of_a_key_or_a_value_is_found():
    whole = sealed(CHANGE)
    for place in (1, 2):
        content = CHANGE[place].encode() if isinstance(CHANGE[place], str) else CHANGE[place]
        for bit in range(len(content) * 8):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            value = bytes(flipped) if place == 2 else flipped.decode("utf-8", "surrogateescape")
            assert not is_whole((*whole[:place], value, *whole[place + 1 :]))

    assert is_whole(whole)


@pytest.mark.parametrize("place", [0, 3, 4])
def test_every_flipped_bit_of_a_number_is_found(place: int):
    whole = sealed(CHANGE)

    assert not any(is_whole((*whole[:place], whole[place] ^ 1 << bit, *whole[place + 1 :])) for bit in range(62))


@pytest.mark.parametrize("change", [
    pytest.param((7, None, b"value", 3, 5, 1), id="a key that became nothing"),
    pytest.param((7, b"/a", b"value", 3, 5, 1), id="a key that became bytes"),
    pytest.param((7, "/a", "value", 3, 5, 1), id="a value that became a text"),
    pytest.param((7, "/a", 1.5, 3, 5, 1), id="a value that became a number"),
    pytest.param((7, "/a", b"value", None, 5, 1), id="a number that became nothing"),
    pytest.param((7, "/a", b"value", 3, 5, None), id="a checksum that became nothing"),
    pytest.param((1 << 70, "/a", b"value", 3, 5, 1), id="a number out of range"),
])  # fmt: skip
def test_what_damage_makes_of_types_is_damage_not_an_error(change):
    assert not is_whole(change)


def test_a_value_that_is_lost_is_no_deletion_and_the_other_way_round():
    assert checksum(*CHANGE) >= 0
    assert checksum(7, "/a", None, 3, 5) < 0
    assert checksum(7, "/a", b"", 3, 5) >= 0


def test_all_damaged_rows_are_named():
    draw = random.Random(1)
    changes = [sealed((number, f"/{number}", draw.randbytes(50), number, 5)) for number in range(1, 9)]
    refuse_damaged(changes)
    bent = [(*change[:2], b"bent", *change[3:]) if change[0] > 3 else change for change in changes]
    with pytest.raises(Damaged) as raised:
        refuse_damaged(bent)

    assert raised.value.changes == tuple((f"/{number}", number) for number in range(4, 9))
    assert str(raised.value) == "damaged: /4 at revision 4, /5 at revision 5, /6 at revision 6 and 2 more"


@pytest.mark.parametrize("change", [CHANGE, (7, "/a", None, 3, 5), (1 << 40, "/\U0001f600" * 50, b"", 1, 1)])
def test_a_name_is_proved_by_itself_and_every_flipped_bit_of_it_is_found(change):
    revision, key, *_, found = sealed(change)
    name = key.encode()
    flipped = [
        (int.from_bytes(name) ^ 1 << bit).to_bytes(len(name)).decode("utf-8", "surrogateescape")
        for bit in range(8 * len(name))
    ]

    assert is_named(revision, key, found)
    assert not any(is_named(revision ^ 1 << bit, key, found) for bit in range(63))
    assert not any(is_named(revision, other, found) for other in flipped)
    assert not any(is_named(revision, key, other) for other in flips(found) if other >> 32 != found >> 32)
    assert all(is_named(revision, key, other) for other in flips(found) if other >> 32 == found >> 32)


def flips(number: int) -> list[int]:
    """A number of 64 bits with each of them flipped, as a database would read it."""
    return [((number ^ 1 << bit) + (1 << 63)) % (1 << 64) - (1 << 63) for bit in range(64)]


@pytest.mark.parametrize("change", [CHANGE, (7, "/a", None, 3, 5)])
def test_every_flipped_bit_of_the_checksum_is_found(change):
    assert not any(is_whole((*change, other)) for other in flips(sealed(change)[-1]))


@pytest.mark.parametrize(("change", "found"), [
    pytest.param(CHANGE, 1908478855, id="a value"),
    pytest.param((7, "/a", None, 3, 5), -3392319606, id="a deletion"),
])  # fmt: skip
def test_what_schema_2_wrote_is_whole_and_its_name_is_proved_by_the_whole_alone(change, found):
    assert is_whole((*change, found))
    assert not is_named(*change[:2], found)
    assert not any(is_whole((*change, other)) for other in flips(found))
    assert not is_whole((*change[:2], b"bent", *change[3:], found))
