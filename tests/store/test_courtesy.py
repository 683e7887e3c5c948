import asyncio
import threading
import time

from store.courtesy import WAIT, WAITS, Courtesy


async def test_a_loop_that_idles_never_waits_for_a_slow_disk():
    courtesy = Courtesy(asyncio.get_running_loop())
    courtesy.begin()
    await asyncio.sleep(0.03)
    courtesy.landed()
    courtesy.end()

    assert courtesy._waits == 0


async def test_a_busy_loop_waits_a_few_times_and_then_goes_on():
    courtesy = Courtesy(asyncio.get_running_loop())
    courtesy.begin()
    end = time.perf_counter() + 20 * WAIT * WAITS
    while time.perf_counter() < end:
        await asyncio.sleep(0)
    courtesy.landed()
    courtesy.end()

    assert 0 < courtesy._waits <= WAITS


async def test_a_commit_that_never_reached_the_disk_does_not_stop_the_next():
    courtesy = Courtesy(asyncio.get_running_loop())
    courtesy.begin()
    courtesy.end()
    courtesy.begin()
    landing = threading.Thread(target=courtesy.landed)
    landing.start()
    landing.join()
    courtesy.end()
