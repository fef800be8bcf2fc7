"""What ends a run, if several messages that say so come at once."""

from __future__ import annotations

import pytest

from daemon.service.messages import CheckFolders, RoleChanged, Stop, stops


def test_a_stop_is_obeyed_whatever_part_this_service_gets() -> None:
    changed = Stop(RoleChanged())
    assert not stops([CheckFolders()])
    assert stops([changed, Stop()])
    with pytest.raises(RoleChanged):
        stops([CheckFolders(), changed])
    with pytest.raises(ZeroDivisionError):
        stops([changed, Stop(ZeroDivisionError())])
