"""Describes sound by openSMILE's ComParE 2016 functionals: 6373 numbers for a window.

The set is that of the INTERSPEECH 2016 Computational Paralinguistics Challenge (Schuller et al.):
65 low-level descriptors and their deltas every 10 ms, summarised by statistical functionals.

All windows of a clip go through one run of openSMILE, end to end, with the functionals framed at
the window's length: reading the configuration and starting up are paid once. What openSMILE does
without need is left out or done here, which `compare_shortcuts.conf` explains.

Only openSMILE's C boundary is loaded: the package would import pandas, 1.4 s and 100 MB a worker.
"""

from __future__ import annotations

import importlib.util
import math
import os
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_float, c_long
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trainer.trainer_errors import UnusableClip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from trainer.arrays import FloatArray

FEATURE_SET = "ComParE_2016"
FEATURES = 6373

SHORTEST_S = 0.06
"""One frame of openSMILE's pitch detector: of less sound it computes nothing."""

# Contours lag behind the sound by a pitch frame and the smoothing; the last window needs this much
# more sound to be complete.
_TAIL_S = 0.1

_HERE = Path(__file__).parent
_SOURCE, _SINK = b"extsource", b"extsink"

_FRAMES_AT_ONCE = 100
_HOPS_IN_FRAME = 6


def describe(windows: Sequence[FloatArray], rate_hz: int, path: Path) -> FloatArray:
    """Computes the functionals of each window.

    Args:
        windows: mono sound in [-1, 1], all of one length, each at least `SHORTEST_S`; louder
            samples are clipped. A length that is no multiple of 10 ms is rounded down to one.
        rate_hz: sampling rate of the sound.
        path: the clip, named in errors.

    Returns:
        Shape (windows, 6373), float32, every value finite, in the order of `feature_names`. Where
        openSMILE finds no finite value for one window, the mean of the other windows stands in.

    Raises:
        UnusableClip: too short, or a descriptor is not finite in any window.
    """
    length = len(windows[0])
    window_s = length * 100 // rate_hz / 100
    if window_s < SHORTEST_S:
        raise UnusableClip(
            path, f"holds {length / rate_hz:.4f} s of sound; {SHORTEST_S} s are needed"
        )
    joined = np.concatenate([window[: round(window_s * rate_hz)] for window in windows])
    rows = _run(_pcm16(joined, rate_hz), rate_hz, window_s)
    if len(rows) < len(windows):
        raise UnusableClip(path, "openSMILE found too little sound to describe")
    return _finite(np.stack(rows[: len(windows)]), path)


@cache
def feature_names() -> tuple[str, ...]:
    """Returns the names of the 6373 functionals, in the order of every vector."""
    get_name = _binding().smileapi.smile_extsink_get_element_name
    with _smile("compare_windows.conf", _options(1600, 16000, 1.0)) as smile:
        name = c_char_p()
        names = []
        for index in range(FEATURES):
            _check(get_name(smile, _SINK, c_long(index), name), smile)
            names.append((name.value or b"").decode("ascii"))
    return tuple(names)


def _pcm16(sound: FloatArray, rate_hz: int) -> bytes:
    tail = np.resize(sound[::-1], round(_TAIL_S * rate_hz))
    # Scaled as by openSMILE's own Python interface, but clipped: there full scale wraps around.
    scaled = np.clip(np.concatenate([sound, tail]), -1, 32767 / 32768) * 32768
    pcm: bytes = scaled.astype("<i2").tobytes()
    return pcm


def _finite(vectors: FloatArray, path: Path) -> FloatArray:
    finite = np.isfinite(vectors)
    if finite.all():
        return vectors
    count = finite.sum(axis=0)
    if not count.all():
        name = feature_names()[int(np.argmin(count))]
        raise UnusableClip(path, f"no finite value for descriptor {name}")
    mean = np.where(finite, vectors, 0).sum(axis=0) / count
    return np.where(finite, vectors, mean).astype(np.float32)


def _run(pcm: bytes, rate_hz: int, window_s: float) -> list[FloatArray]:
    levels = _framed(pcm, rate_hz)
    options = _options(len(pcm) // 2, rate_hz, window_s) | _shortcuts(levels, rate_hz)
    with _smile("compare_shortcuts.conf", options) as smile:
        for level, frames in levels.items():
            _write(frames, level.encode("ascii"), smile)
        return _rows(pcm, smile)


def _rows(pcm: bytes, smile: Any) -> list[FloatArray]:
    library = _binding().smileapi
    rows: list[FloatArray] = []

    def collect(values: Any, count: int, _: Any) -> int:
        rows.append(np.ctypeslib.as_array(values, shape=(count,)).copy())
        return 1

    callback = _binding().ExternalSinkCallback(collect)
    _check(library.smile_extsink_set_data_callback(smile, _SINK, callback, None), smile)
    _check(library.smile_extaudiosource_write_data(smile, _SOURCE, pcm, len(pcm)), smile)
    _check(library.smile_extaudiosource_set_external_eoi(smile, _SOURCE), smile)
    _check(library.smile_run(smile), smile)
    return rows


def _framed(pcm: bytes, rate_hz: int) -> dict[str, FloatArray]:
    """Cuts sound into overlapping frames, scaled, rounded and counted as by openSMILE.

    Returns:
        The frames of each level that is written from outside, shape (frames, samples).
    """
    sound = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32767)
    hop, *lengths = (_rounded(seconds, rate_hz) for seconds in (0.01, 0.06, 0.02))
    frames60, frames20 = (sliding_window_view(sound, length)[::hop] for length in lengths)
    hops = np.zeros((len(frames60) + _HOPS_IN_FRAME - 1, 1), np.float32)
    return {"frames60": frames60, "frames20": frames20, "hops": hops}


def _rounded(seconds: float, rate_hz: int) -> int:
    return math.floor(seconds / (1 / rate_hz) + 0.5)


def _write(frames: FloatArray, level: bytes, smile: Any) -> None:
    library = _binding().smileapi
    # In parts, since openSMILE copies what it is given, and the copy of a part stays in the cache.
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        part = np.ascontiguousarray(frames[first : first + _FRAMES_AT_ONCE])
        values = part.ctypes.data_as(POINTER(c_float))
        _check(library.smile_extsource_write_data(smile, level, values, len(part)), smile)
    _check(library.smile_extsource_set_external_eoi(smile, level), smile)


def _options(samples: int, rate_hz: int, window_s: float) -> dict[str, object]:
    definitions = Path(_binding().__file__ or "").parent / "config" / "compare"
    return {
        "samples": samples,
        "rateHz": rate_hz,
        # A little above the multiple of 10 ms, so that binary fractions do not round a frame away.
        "windowS": f"{window_s + 0.0005:.4f}",
        "descriptors": definitions / "ComParE_2016_core.lld.conf.inc",
        "functionals": definitions / "ComParE_2016_core.func.conf.inc",
        "frameModeFunctionalsConf": _HERE / "compare_frames.conf.inc",
    }


def _shortcuts(levels: dict[str, FloatArray], rate_hz: int) -> dict[str, object]:
    return {
        "plain": _HERE / "compare_windows.conf",
        "hops": max(len(frames) for frames in levels.values()),
        "samples60": levels["frames60"].shape[1],
        "samples20": levels["frames20"].shape[1],
        "samplePs": 1e12 / rate_hz,
        "hopPs": 1e12 / rate_hz * _rounded(0.01, rate_hz),
    }


@contextmanager
def _smile(config: str, options: dict[str, object]) -> Iterator[Any]:
    # The C functions are called directly: the wrapper class refuses install paths that are not
    # ASCII, and leaks the instance when a run fails.
    binding = _binding()
    flat = binding.c_char_p_arr(
        [os.fsencode(str(part)) for pair in options.items() for part in pair]
    )
    path = os.fsencode(_HERE / config)
    smile = binding.smileapi.smile_new()
    try:
        code = binding.smileapi.smile_initialize(smile, path, len(options), flat, 0, 0, 0, None)
        _check(code, smile)
        yield smile
    finally:
        binding.smileapi.smile_free(smile)


def _check(code: int, smile: Any) -> None:
    if code:
        message = _binding().smileapi.smile_error_msg(smile) or b""
        raise RuntimeError(f"openSMILE failed ({code}): {message.decode(errors='replace')}")


@cache
def _binding() -> ModuleType:
    """Loads the one module of the package that binds the C functions, without its package."""
    package = importlib.util.find_spec("opensmile")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("openSMILE is not installed", name="opensmile")
    source = Path(package.submodule_search_locations[0]) / "core" / "lib.py"
    spec = importlib.util.spec_from_file_location("opensmile_boundary", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
