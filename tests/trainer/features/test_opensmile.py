from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.sounds import music_like, noise, silence, tone
from trainer.features import opensmile
from trainer.features.opensmile import FEATURES, SHORTEST_S, describe, feature_names
from trainer.trainer_errors import UnusableClip

HERE = Path("clip.wav")
RATE_HZ = 16000


def test_names_are_those_of_the_set_in_its_order() -> None:
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    assert list(feature_names()) == smile.feature_names
    assert len(set(feature_names())) == FEATURES


def test_one_window_is_what_opensmile_itself_computes() -> None:
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals)
    sound = music_like(4, RATE_HZ)
    expected = smile(sound, RATE_HZ).ravel()
    ours = describe([sound], RATE_HZ, HERE)[0]
    # The last few frames differ: there is sound after the window here, and silence there.
    relative = np.abs(ours - expected) / (np.abs(expected) + 1e-9)
    assert np.median(relative) < 0.01
    assert spearmanr(ours, expected).statistic > 0.98


def test_windows_in_one_run_are_what_they_are_alone() -> None:
    windows = [music_like(4, RATE_HZ, seed=seed) for seed in range(3)]
    together = describe(windows, RATE_HZ, HERE)
    assert together.shape == (3, FEATURES)
    assert together.dtype == np.float32
    for window, row in zip(windows, together, strict=True):
        alone = describe([window], RATE_HZ, HERE)[0]
        assert np.median(np.abs(alone - row) / (np.abs(alone) + 1e-9)) < 0.04
        assert spearmanr(alone, row).statistic > 0.95


def test_the_same_sound_gives_the_same_numbers() -> None:
    windows = [music_like(1, RATE_HZ)]
    assert np.array_equal(describe(windows, RATE_HZ, HERE), describe(windows, RATE_HZ, HERE))


@pytest.mark.parametrize(
    "sound",
    [
        silence(1, RATE_HZ),
        np.ones(RATE_HZ, np.float32),
        np.full(RATE_HZ, -1, np.float32),
        np.sign(tone(1, RATE_HZ)).astype(np.float32),
        noise(1, RATE_HZ, gain=1 / 32768),
        np.eye(1, RATE_HZ, 5000, dtype=np.float32)[0],
        tone(1, RATE_HZ, gain=40.0),
        tone(SHORTEST_S, RATE_HZ),
    ],
    ids=["silence", "dc", "minus one", "square", "faint", "click", "beyond scale", "shortest"],
)
def test_every_value_is_finite(sound: np.ndarray) -> None:
    described = describe([sound], RATE_HZ, HERE)
    assert described.shape == (1, FEATURES)
    assert np.isfinite(described).all()


@pytest.mark.parametrize("rate_hz", [8000, 11000, 12000, 16000, 22050, 44100])
@pytest.mark.parametrize("window_s", [0.07, 0.5, 0.977, 1.13])
def test_every_rate_and_length_gives_every_window(rate_hz: int, window_s: float) -> None:
    windows = [noise(window_s, rate_hz, seed=seed) for seed in range(3)]
    assert describe(windows, rate_hz, HERE).shape == (3, FEATURES)


def plain(windows: list[np.ndarray], rate_hz: int) -> np.ndarray:
    """Return what openSMILE finds when nothing is cut or left out for it."""
    window_s = len(windows[0]) * 100 // rate_hz / 100
    pcm = opensmile._pcm16(
        np.concatenate([window[: round(window_s * rate_hz)] for window in windows]), rate_hz
    )
    options = opensmile._options(len(pcm) // 2, rate_hz, window_s)
    with opensmile._smile("compare_windows.conf", options) as smile:
        return np.stack(opensmile._rows(pcm, smile)[: len(windows)])


@pytest.mark.parametrize("rate_hz", [8000, 11025, 12800, 22050])
@pytest.mark.parametrize("window_s", [SHORTEST_S, 0.25, 1.0])
def test_shortcuts_change_no_bit(window_s: float, rate_hz: int) -> None:
    window_s += 1 / rate_hz
    windows = [
        music_like(window_s, rate_hz),
        tone(window_s, rate_hz, hz=61.0),
        tone(window_s, rate_hz, hz=220.0, gain=7.0),
        noise(window_s, rate_hz) * tone(window_s, rate_hz, hz=2.0),
    ]
    np.testing.assert_array_equal(describe(windows, rate_hz, HERE), plain(windows, rate_hz))


def test_shortcuts_change_no_bit_of_windows_as_they_are_used() -> None:
    windows = [music_like(4, 12800, seed=seed) for seed in range(3)]
    windows.append(silence(4, 12800))
    np.testing.assert_array_equal(describe(windows, 12800, HERE), plain(windows, 12800))


@pytest.mark.parametrize("samples", [1, 100, 900])
def test_too_short_says_how_much_is_needed(samples: int) -> None:
    with pytest.raises(UnusableClip, match=r"0\.06 s are needed"):
        describe([np.zeros(samples, np.float32)], RATE_HZ, HERE)


def test_what_is_not_finite_in_one_window_is_taken_from_the_others() -> None:
    vectors = np.arange(2.0 * FEATURES, dtype=np.float32).reshape(2, FEATURES)
    vectors[0, 7] = np.nan
    repaired = opensmile._finite(vectors, HERE)
    assert repaired[0, 7] == vectors[1, 7]
    assert np.isfinite(repaired).all()


def test_what_is_finite_in_no_window_is_named() -> None:
    vectors = np.zeros((2, FEATURES), np.float32)
    vectors[:, 3] = np.inf
    with pytest.raises(UnusableClip, match=feature_names()[3]):
        opensmile._finite(vectors, HERE)


def test_an_installation_path_of_any_letters_works(tmp_path: Path) -> None:
    folder = tmp_path / "répertoire à moi"
    folder.mkdir()
    for file in opensmile._HERE.glob("compare_*"):
        (folder / file.name).write_bytes(file.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opensmile, "_HERE", folder)
        assert describe([noise(1, RATE_HZ)], RATE_HZ, HERE).shape == (1, FEATURES)


def test_describing_never_loads_pandas_nor_prints() -> None:
    program = (
        "import sys, numpy, pathlib;"
        "from trainer.features.opensmile import describe, feature_names;"
        "assert 'opensmile' not in sys.modules;"
        "describe([numpy.zeros(16000, 'f4')], 16000, pathlib.Path('x')); feature_names();"
        "assert not {'pandas', 'audinterface'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == ran.stderr == b""
