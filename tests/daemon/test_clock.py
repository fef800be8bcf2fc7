from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.clock import ClockWatch


@pytest.mark.parametrize(
    ("wall_s", "steady_s", "step_s"),
    [
        (10.0, 10.0, 0.0),
        (11.5, 10.0, 0.0),
        (10.0 - 86400, 10.0, -86400),
        (10.0 + 86400, 10.0, 86400),
        # Both clocks go on while the machine is suspended.
        (8 * 3600.0, 8 * 3600.0, 0.0),
    ],
)
def test_only_a_clock_that_was_set_makes_a_step(
    wall_s: float, steady_s: float, step_s: float
) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    wall, steady = noon, 0.0
    watch = ClockWatch(lambda: wall, lambda: steady)
    wall, steady = noon + timedelta(seconds=wall_s), steady_s
    assert watch.step_s() == pytest.approx(step_s)
    assert watch.step_s() == 0
