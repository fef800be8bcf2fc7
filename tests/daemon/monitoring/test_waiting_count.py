from __future__ import annotations

from itertools import count

from daemon.monitoring.waiting_count import LONGEST_S, WaitingCount


class Counted:
    """A clock, and a count that takes some seconds by it."""

    def __init__(self, cost_s: float) -> None:
        self.now_s, self._cost_s, self._numbers = 0.0, cost_s, count(1)
        self.waiting = WaitingCount(self._count, lambda: self.now_s)

    def _count(self) -> int:
        self.now_s += self._cost_s
        return next(self._numbers)


def test_what_costs_nothing_is_counted_each_time() -> None:
    counted = Counted(0.0)
    assert [counted.waiting() for _ in range(3)] == [1, 2, 3]


def test_what_costs_much_is_counted_seldom_but_within_a_limit() -> None:
    counted = Counted(0.1)
    assert [counted.waiting() for _ in range(3)] == [1, 1, 1]
    counted.now_s += 4.9
    assert counted.waiting() == 1
    counted.now_s += 0.2
    assert counted.waiting() == 2
    slow = Counted(100.0)
    slow.waiting()
    slow.now_s += LONGEST_S
    assert slow.waiting() == 2
