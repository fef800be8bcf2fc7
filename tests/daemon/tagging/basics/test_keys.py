from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tagging.basics import keys
from daemon.tagging.basics.keys import Preset, affect_items


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (Preset.SONGKONG, {"MOOD_AROUSAL": ["42"], "MOOD_VALENCE": ["-100"]}),
        (Preset.UNIT, {"AROUSAL": ["0.71"], "VALENCE": ["0.00"]}),
        (Preset.ONETAGGER, {"1T_ENERGY": ["71"], "1T_VALENCE": ["0"]}),
    ],
)
def test_each_preset_has_its_names_and_scale(preset: Preset, expected: keys.Items) -> None:
    assert affect_items(0.42, -1.5, preset) == expected


@given(st.floats(-1, 1), st.sampled_from(Preset))
def test_no_value_is_a_negative_zero(value: float, preset: Preset) -> None:
    assert not {"-0", "-0.00"} & {text for (text,) in affect_items(value, value, preset).values()}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        affect_items(value, 0.0)


def test_provenance_says_bundle_version_and_utc_time() -> None:
    at = datetime(2026, 11, 21, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    assert keys.provenance_item("starter-1", "0.1.0", at) == {
        "VALENCED": ["bundle=starter-1; version=0.1.0; at=2026-11-21T08:00:00Z"]
    }


def test_a_file_names_its_own_keys() -> None:
    items = {**affect_items(0, 0), **keys.provenance_item("b", "1", datetime.now(UTC))}
    owned = keys.owned_keys(keys.with_owned_keys(items))
    assert owned == {"MOOD_AROUSAL", "MOOD_VALENCE", "VALENCED"}


def test_keys_that_are_none_of_ours_are_never_owned() -> None:
    assert keys.owned_keys({"VALENCED": ["keys=TITLE,COMMENT,MOOD"]}) == {"MOOD", "VALENCED"}


def test_without_provenance_nothing_is_owned() -> None:
    assert keys.owned_keys({"MOOD_AROUSAL": ["1"]}) == frozenset()
