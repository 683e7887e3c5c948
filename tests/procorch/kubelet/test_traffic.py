"""What went over a network namespace's interfaces."""

from __future__ import annotations

import os
from pathlib import Path

from procorch.kubelet.traffic import Traffic, traffic_of

DEV = """Inter-|   Receive                            |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:  100       1    0    0    0     0          0         0   100       1    0    0    0     0       0          0
  eth0: 1306      12    3    4    0     0          0         0   586       7    5    6    0     0       0          0
"""


def test_each_interface_but_the_loopback(tmp_path: Path) -> None:
    (tmp_path / "7" / "net").mkdir(parents=True)
    (tmp_path / "7" / "net" / "dev").write_text(DEV)
    assert traffic_of(7, tmp_path) == [Traffic("eth0", 1306, 12, 3, 4, 586, 7, 5, 6)]
    assert traffic_of(8, tmp_path) == []


def test_the_kernel_says_it_so() -> None:
    assert all(one.rx_bytes >= 0 for one in traffic_of(os.getpid()))
