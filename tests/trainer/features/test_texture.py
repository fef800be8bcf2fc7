"""Descriptors of texture say of synthesised sound what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import music_like, noise, silence, tone
from tests.trainer.features.odd_sounds import ODD_SOUNDS
from trainer.features.texture import TEXTURE, describe_texture, texture_names

if TYPE_CHECKING:
    from tests.sounds import Sound

RATE_HZ = 12800
NOTHING = -4.0
"""The logarithm of a modulation that is not there."""


def described(*windows: Sound, rate_hz: int = RATE_HZ) -> list[dict[str, float]]:
    rows = describe_texture(windows, rate_hz)
    assert rows.shape == (len(windows), TEXTURE)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    names = [name.removeprefix("texture_") for name in texture_names()]
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


def beating(sound: Sound, per_s: float, depth: float = 0.8) -> Sound:
    seconds = np.arange(len(sound)) / RATE_HZ
    return (sound * (1 + depth * np.sin(2 * np.pi * per_s * seconds))).astype(np.float32)


def clicks(per_s: int, duration_s: float) -> Sound:
    sound = noise(duration_s, RATE_HZ, gain=1e-4)
    sound[:: RATE_HZ // per_s] = 0.9
    return sound


def test_every_descriptor_has_a_name_of_its_own() -> None:
    assert len(set(texture_names())) == TEXTURE


@pytest.mark.parametrize(
    ("per_s", "octave"), [(3, 2), (6, 4), (12, 8), (24, 16), (48, 32), (90, 64)]
)
def test_modulation_is_found_in_its_octave(per_s: float, octave: int) -> None:
    steady, modulated = described(tone(4.0, RATE_HZ), beating(tone(4.0, RATE_HZ), per_s))
    found = {name: value for name, value in modulated.items() if name.startswith("modulation")}
    assert max(found, key=lambda name: found[name]) == f"modulation_{octave}hz"
    # Half the squared depth; what is faster is smoothed by the window of a frame.
    assert 0.1 < 10 ** found[f"modulation_{octave}hz"] < 0.4
    assert steady[f"modulation_{octave}hz"] < found[f"modulation_{octave}hz"] - 1.5


def test_roughness_is_told_by_bands() -> None:
    rough = beating(tone(4.0, RATE_HZ, hz=700.0), 60)
    calm, both = described(tone(4.0, RATE_HZ, hz=3000.0), rough + tone(4.0, RATE_HZ, hz=3000.0))
    assert both["roughness_500hz"] > both["roughness_2000hz"] + 1
    assert both["roughness_500hz"] > calm["roughness_2000hz"] + 1


def test_crackling_varies_more_than_hissing_and_hissing_more_than_humming() -> None:
    crackling, hissing, humming = described(
        clicks(5, 4.0), noise(4.0, RATE_HZ), tone(4.0, RATE_HZ, hz=3000.0)
    )
    name = "variation_2000hz"
    assert crackling[name] > 2 * hissing[name] > 20 * humming[name]
    assert hissing["modulation_64hz"] > humming["modulation_64hz"] + 1


def test_loud_moments_count_for_more_than_the_silence_around_them() -> None:
    rough = beating(tone(2.0, RATE_HZ, hz=700.0), 60)
    whole, half = described(
        np.concatenate([rough, rough]), np.concatenate([rough, silence(2.0, RATE_HZ)])
    )
    assert half["roughness_500hz"] == pytest.approx(whole["roughness_500hz"], abs=0.1)


def test_level_changes_nothing() -> None:
    sound = music_like(4.0, RATE_HZ, seed=3)
    loud, soft = described(sound, sound * np.float32(0.01))
    for name, value in loud.items():
        assert soft[name] == pytest.approx(value, abs=1e-3), name


def test_silence_has_no_texture() -> None:
    (quiet,) = described(silence(4.0, RATE_HZ))
    for name, value in quiet.items():
        assert value == pytest.approx(0.0 if name.startswith("variation") else NOTHING), name


@pytest.mark.parametrize("rate_hz", [8000, 12800, 44100, 96000])
@pytest.mark.parametrize("duration_s", [0.01, 0.06, 1.0, 1.7])
def test_short_sounds_are_described_at_every_rate(rate_hz: int, duration_s: float) -> None:
    described(music_like(duration_s, rate_hz), rate_hz=rate_hz)


@pytest.mark.parametrize(
    "sound", [*ODD_SOUNDS, pytest.param(noise(1.0, RATE_HZ, gain=1e6), id="huge")]
)
def test_odd_sounds_give_finite_descriptors(sound: Sound) -> None:
    described(sound)
