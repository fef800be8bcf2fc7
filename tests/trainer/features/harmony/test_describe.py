"""Descriptors of harmony and rhythm say of synthesised sound what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import music_like, noise, silence, tone
from tests.trainer.features.odd_sounds import ODD_SOUNDS
from trainer.features.harmony.describe import HARMONY, describe_harmony, harmony_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sounds import Sound

RATE_HZ = 12800
MAJOR, MINOR = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)), ((0, 3, 7), (5, 8, 12), (7, 11, 14))


def described(*windows: Sound, rate_hz: int = RATE_HZ) -> list[dict[str, float]]:
    rows = describe_harmony(windows, rate_hz)
    assert rows.shape == (len(windows), HARMONY)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    names = [name.removeprefix("harmony_") for name in harmony_names()]
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


def chord(steps: Iterable[int], duration_s: float, *, up: float = 0.0) -> Sound:
    """Return a chord of tones with four partials each, on C4 and up, in semitones."""
    hertz = [261.63 * 2 ** ((step + up) / 12) for step in steps]
    parts = [
        tone(duration_s, RATE_HZ, hz=hz * overtone, gain=0.1 / overtone)
        for hz in hertz
        for overtone in (1, 2, 3, 4)
    ]
    together: Sound = np.sum(parts, axis=0, dtype=np.float32)
    return together


def progression(chords: Iterable[tuple[int, ...]], *, up: float = 0.0) -> Sound:
    return np.concatenate([chord(steps, 1.0, up=up) for steps in chords])


def clicks(per_s: int, duration_s: float) -> Sound:
    sound = noise(duration_s, RATE_HZ, gain=1e-4)
    for start in range(0, len(sound), RATE_HZ // per_s):
        sound[start : start + 200] += noise(200 / RATE_HZ, RATE_HZ, gain=0.5, seed=start)
    return sound


def test_every_descriptor_has_a_name_of_its_own() -> None:
    assert len(set(harmony_names())) == HARMONY


def test_major_and_minor_are_told_apart() -> None:
    major, minor = described(progression(MAJOR), progression(MINOR))
    assert major["key_mode"] > 0.1 > -0.1 > minor["key_mode"]
    assert major["key_mode_odds"] > 0.5 > minor["key_mode_odds"]
    assert major["key_mode_of_phrases"] > minor["key_mode_of_phrases"]
    assert major["chord_share_major"] == 1
    assert 0 < minor["chord_share_minor"] < 1


@pytest.mark.parametrize("up", [1, 3.37, 7])
def test_transposition_changes_neither_keys_nor_chords_nor_intervals(up: float) -> None:
    here, there = described(progression(MINOR), progression(MINOR, up=up))
    for name, value in here.items():
        if name.startswith(("key", "scale", "chord_", "interval", "chroma")):
            assert there[name] == pytest.approx(value, abs=0.03), name
    assert there["pitch"] - here["pitch"] == pytest.approx(up, abs=0.5)


def test_level_changes_nothing() -> None:
    sound = music_like(4.0, RATE_HZ, seed=3)
    loud, soft = described(sound, sound * np.float32(0.01))
    for name, value in loud.items():
        assert soft[name] == pytest.approx(value, rel=0.01, abs=0.01), name


def test_neighbouring_tones_are_rougher_than_octaves() -> None:
    rough, smooth = described(chord((0, 1, 2), 2.0), chord((0, 12, 24), 2.0))
    assert rough["roughness"] > 3 * smooth["roughness"]
    assert smooth["voices_span"] > rough["voices_span"]


def test_noise_has_no_key_and_no_tuning() -> None:
    hiss, music = described(noise(4.0, RATE_HZ), progression(MAJOR))
    assert hiss["key_major"] < music["key_major"]
    assert hiss["tuning"] < 0.1
    assert music["tuning"] > 0.9
    assert hiss["chroma_entropy"] > music["chroma_entropy"]
    assert hiss["partials"] > music["partials"]


@pytest.mark.parametrize("per_s", [2, 4])
def test_onsets_are_counted_and_their_period_is_found(per_s: int) -> None:
    (beaten,), (held,) = described(clicks(per_s, 4.0)), described(chord((0, 4, 7), 4.0))
    assert beaten["onsets"] == pytest.approx(per_s, abs=0.3)
    assert held["onsets"] < 1
    assert beaten["pulse"] > 0.1 + held["pulse"]


def test_a_silent_window_takes_after_the_others() -> None:
    quiet, sounding = described(silence(4.0, RATE_HZ), progression(MAJOR))
    assert quiet["key_mode"] == sounding["key_mode"]
    assert quiet["pitch"] == sounding["pitch"]
    assert quiet["onsets"] == 0
    (alone,) = described(silence(4.0, RATE_HZ))
    assert set(alone.values()) == {0.0}


@pytest.mark.parametrize("rate_hz", [8000, 12800, 44100, 96000])
@pytest.mark.parametrize("duration_s", [0.06, 0.31, 1.0])
def test_short_sounds_are_described_at_every_rate(rate_hz: int, duration_s: float) -> None:
    described(music_like(duration_s, rate_hz), rate_hz=rate_hz)


@pytest.mark.parametrize(
    "sound", [*ODD_SOUNDS, pytest.param(noise(1.0, RATE_HZ, gain=1e30), id="huge")]
)
def test_odd_sounds_give_finite_descriptors(sound: Sound) -> None:
    described(sound)
