from store.dialects.postgresql_telling import PATIENCE, PAUSE, Telling


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Telling, Clock, list[float]]:
    clock, woken = Clock(), list[float]()
    telling = Telling(clock)
    telling.wake = lambda: woken.append(clock.now)
    return telling, clock, woken


def test_a_commit_after_a_pause_is_told_and_one_that_follows_it_is_not():
    telling, clock, woken = made()
    assert telling.is_due()
    telling.told(1)
    clock.now += PAUSE / 2
    assert not telling.is_due()
    clock.now += PAUSE / 2 + 1e-6

    assert telling.is_due()
    assert telling.look() == (0, None)
    assert woken == []


def test_the_follower_is_woken_for_the_first_debt_and_pays_the_highest_in_time():
    telling, clock, woken = made()
    begin = clock.now
    telling.told(1)
    for revision in (2, 3, 4):
        clock.now += 0.001
        telling.owe(revision)
        debt, left = telling.look()
        assert (debt, left is not None and left <= begin + PATIENCE - clock.now + 1e-9) == (0, True)
    assert woken == [begin + 0.001]
    clock.now = begin + PATIENCE + 1e-6

    assert telling.look() == (4, 0.0)
    telling.told(4)
    assert telling.look() == (0, None)


def test_a_debt_that_grew_meanwhile_is_still_owed():
    telling, clock, _ = made()
    telling.owe(5)
    telling.owe(7)
    telling.told(5)
    clock.now += PATIENCE

    assert telling.look() == (7, 0.0)


def test_a_follower_that_looks_again_anyway_is_not_woken_and_one_that_does_not_is():
    telling, clock, woken = made()
    telling.told(1)
    telling.owe(2)
    telling.look()
    telling.told(2)
    telling.owe(3)
    assert len(woken) == 1, "it is in the wait that the first look gave it"
    telling.told(3)
    assert telling.look() == (0, None)
    telling.owe(4)

    assert len(woken) == 2
    assert clock.now == 1000.0
