"""Where settings and state are, by the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.default_paths import default_paths
from config.errors import SettingsError

NOBODY = 4_000_000_001


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    for environment in ({}, {"HOME": ""}, {"HOME": "not/absolute"}, {"XDG_STATE_HOME": "here"}):
        with pytest.raises(SettingsError, match="STATE_DIRECTORY"):
            default_paths(environment)
    paths = default_paths({"STATE_DIRECTORY": "/s"})
    assert paths.state == Path("/s")
    assert [str(file) for file in paths.settings_files] == ["/etc/valenced/valenced.toml"]
    assert default_paths({"XDG_STATE_HOME": "/x"}).state == Path("/x/valenced")


def test_the_home_of_the_user_database_stands_in_for_the_variable() -> None:
    assert default_paths({}).state.is_absolute()
    assert default_paths({"HOME": "/h"}).state == Path("/h/.local/state/valenced")
