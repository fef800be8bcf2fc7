from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.sounds import KINDS, music_like, noise, silence, tone, write_audio, write_video
from trainer.features.extract import (
    CANONICAL,
    DESCRIPTORS,
    FeatureSettings,
    descriptor_names,
    extract_features,
)
from trainer.features.vector_codec import pack, unpack
from trainer.trainer_errors import UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from pathlib import Path

BRIEF = FeatureSettings(rate_hz=16000, windows=3, window_s=1.0)


def test_a_long_file_gives_its_windows(tmp_path: Path) -> None:
    found = extract_features(write_audio(tmp_path / "long.flac", music_like(10)), BRIEF)
    assert found.vector.shape == (DESCRIPTORS,)
    assert found.windows.shape == (3, DESCRIPTORS)
    assert found.vector.dtype == found.windows.dtype == np.float32
    assert np.isfinite(found.vector).all()
    assert np.isfinite(found.windows).all()
    assert found.starts_s == pytest.approx((1.75, 4.5, 7.25))
    assert found.duration_s == pytest.approx(10)
    assert found.key == BRIEF.key


def test_every_descriptor_has_a_name_of_its_own() -> None:
    assert len(set(descriptor_names())) == DESCRIPTORS


def test_fresh_and_stored_vectors_are_the_same(tmp_path: Path) -> None:
    found = extract_features(write_audio(tmp_path / "a.wav", music_like(5)), BRIEF)
    assert np.array_equal(unpack(pack(found.vector)), found.vector)
    assert np.array_equal(unpack(pack(found.windows[1])), found.windows[1])


def test_the_vector_is_the_mean_of_the_windows(tmp_path: Path) -> None:
    found = extract_features(write_audio(tmp_path / "a.wav", music_like(5)), BRIEF)
    mean = found.windows.mean(axis=0)
    scale = np.abs(found.windows).max(axis=0)
    assert (np.abs(found.vector - mean) <= 0.002 * scale + 1e-7).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_described(tmp_path: Path, kind: str) -> None:
    rate_hz = {"opus": 48000, "ulaw.wav": 8000}.get(kind, 44100)
    path = write_audio(tmp_path / f"a.{kind}", music_like(4, rate_hz), rate_hz, kind=kind)
    assert np.isfinite(extract_features(path, BRIEF).vector).all()


@pytest.mark.parametrize("rate_hz", [8000, 192000])
def test_extreme_rates_are_described(tmp_path: Path, rate_hz: int) -> None:
    path = write_audio(tmp_path / "a.wav", music_like(4, rate_hz), rate_hz)
    assert np.isfinite(extract_features(path, BRIEF).vector).all()


def test_eight_channels_and_films_are_described(tmp_path: Path) -> None:
    cinema = write_audio(tmp_path / "cinema.wav", np.stack([music_like(2)] * 8))
    film = write_video(tmp_path / "film.mp4", music_like(2))
    assert np.isfinite(extract_features(cinema, BRIEF).vector).all()
    assert np.isfinite(extract_features(film, BRIEF).vector).all()


@pytest.mark.parametrize("length_s", [0.07, 0.2, 0.5])
def test_a_single_hit_is_described(tmp_path: Path, length_s: float) -> None:
    found = extract_features(write_audio(tmp_path / "hit.wav", noise(length_s)), BRIEF)
    assert np.isfinite(found.vector).all()
    assert found.duration_s == pytest.approx(length_s, abs=0.001)
    assert len(found.windows) == 1


def test_a_hit_sounds_much_like_the_longer_sound_it_was_cut_from(tmp_path: Path) -> None:
    sound = noise(2)
    whole = extract_features(write_audio(tmp_path / "whole.wav", sound), BRIEF).vector
    hit = extract_features(write_audio(tmp_path / "hit.wav", sound[:8820]), BRIEF).vector
    other = extract_features(write_audio(tmp_path / "other.wav", tone(2)), BRIEF).vector
    ranks = [np.argsort(np.argsort(vector)) for vector in (whole, hit, other)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > np.corrcoef(ranks[0], ranks[2])[0, 1]


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (silence(3), "silence"),
        (silence(0.01), "at least"),
        (np.full(1, 0.5, np.float32), "at least"),
        (noise(0.03), "at least"),
    ],
    ids=["silence", "short silence", "one sample", "thirty milliseconds"],
)
def test_a_sound_that_cannot_be_described_gives_its_reason(
    tmp_path: Path, sound: np.ndarray, reason: str
) -> None:
    with pytest.raises(UnusableClip, match=reason):
        extract_features(write_audio(tmp_path / "a.wav", sound), BRIEF)


def test_a_silent_stretch_does_not_hide_the_rest(tmp_path: Path) -> None:
    sound = np.concatenate([silence(6), music_like(6)])
    assert np.isfinite(
        extract_features(write_audio(tmp_path / "a.flac", sound), BRIEF).vector
    ).all()


def test_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_text("not a sound\n" * 100)
    with pytest.raises(UnreadableClip):
        extract_features(path, BRIEF)


def test_any_file_name_works(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", music_like(2))
    odd = tmp_path / os.fsdecode(b'it\'s \xff\n"odd".wav')
    path.rename(odd)
    assert extract_features(odd, BRIEF).duration_s == pytest.approx(2)


def test_each_settings_have_their_own_key() -> None:
    several = [
        CANONICAL,
        FeatureSettings(CANONICAL.rate_hz // 2, CANONICAL.windows, CANONICAL.window_s),
        FeatureSettings(CANONICAL.rate_hz, CANONICAL.windows + 1, CANONICAL.window_s),
        FeatureSettings(CANONICAL.rate_hz, CANONICAL.windows, CANONICAL.window_s + 0.5),
    ]
    assert len({settings.key for settings in several}) == 4
    assert all(settings.key.startswith("ComParE_2016+harmony/") for settings in several)
