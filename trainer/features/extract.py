"""Extracts the features of a file: the descriptors of a few windows, and their mean.

`CANONICAL` holds the settings that features, bundles and catalogue share; the measurements behind
them are in `docs/features.md`. Features of different settings must never be mixed: each set of
settings has its own `FeatureSettings.key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.audio.channels import SILENCE
from trainer.audio.decode import decode_windows
from trainer.audio.sound_file import SoundFile
from trainer.audio.window_plan import WindowPlan
from trainer.features.harmony.describe import HARMONY, describe_harmony, harmony_names
from trainer.features.opensmile import FEATURE_SET, FEATURES, SHORTEST_S, describe, feature_names
from trainer.features.texture import TEXTURE, describe_texture, texture_names
from trainer.features.vector_codec import rounded
from trainer.trainer_errors import UnusableClip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.arrays import FloatArray
    from trainer.audio.decode import DecodedClip

# Counts changes of decoding or extraction that change the numbers; part of every key.
_REVISION = 1

DESCRIPTORS = FEATURES + HARMONY + TEXTURE
"""How many numbers describe a sound: openSMILE's functionals, harmony and rhythm, texture."""

# A shorter sound is mirrored up to this length: ComParE's statistics over a handful of frames are
# unstable, and silence as padding would be described along with the sound.
_FLOOR_S = 1.0


@dataclass(frozen=True)
class FeatureSettings(WindowPlan):
    """A window plan whose features are named by a key."""

    @property
    def key(self) -> str:
        """Names what the features depend on, for catalogue and manifest.

        Texture has no part in it: vectors from before it are completed where they are read
        (`vector_codec.completed`), so they are used together with those that have it.
        """
        spread = f"{self.windows}x{self.window_s:g}s"
        return f"{FEATURE_SET}+harmony/{self.rate_hz}Hz/{spread}/{_REVISION}"


# With the joint regression, windows of 4 s order valence better than windows of 2 s.
CANONICAL = FeatureSettings(rate_hz=12800, windows=4, window_s=4.0)


@dataclass(frozen=True)
class ClipFeatures:
    """The features of one file, rounded as they are stored: fresh and stored vectors are equal.

    Attributes:
        vector: shape (6457,), float32, finite: the mean over the windows.
        windows: shape (n, 6457), float32, finite: each window.
        starts_s: where each window begins.
        duration_s: how long the sound is.
        key: of the settings.
    """

    vector: FloatArray
    windows: FloatArray
    starts_s: tuple[float, ...]
    duration_s: float
    key: str


def extract_features(
    source: Path | SoundFile, settings: FeatureSettings = CANONICAL
) -> ClipFeatures:
    """Extracts the features of one file, given itself or by its path, of any kind ffmpeg decodes.

    Raises:
        UnreadableClip: the file cannot be opened or is not sound.
        UnusableClip: it decodes to nothing, to silence, or to too little sound.
    """
    path = source.path if isinstance(source, SoundFile) else source
    return describe_clip(decode_windows(source, settings), path, settings)


def describe_clip(
    clip: DecodedClip, path: Path, settings: FeatureSettings = CANONICAL
) -> ClipFeatures:
    """Extracts the features of a clip that was decoded under the settings; `path` is for errors.

    Raises:
        UnusableClip: it holds silence, or too little sound.
    """
    described = describe_windows(usable_windows(clip, path), clip.rate_hz, path)
    return ClipFeatures(
        vector=rounded(described.mean(axis=0, dtype=np.float64).astype(np.float32)),
        windows=rounded(described),
        starts_s=clip.starts_s,
        duration_s=clip.duration_s,
        key=settings.key,
    )


def describe_windows(windows: Sequence[FloatArray], rate_hz: int, path: Path) -> FloatArray:
    """Describes windows by openSMILE's functionals, by harmony and rhythm, and by texture.

    Args and errors are those of `opensmile.describe`.

    Returns:
        Shape (windows, 6457), float32, finite, in the order of `descriptor_names`.
    """
    functionals = describe(windows, rate_hz, path)
    harmony = describe_harmony(windows, rate_hz)
    return np.hstack([functionals, harmony, describe_texture(windows, rate_hz)])


def descriptor_names() -> tuple[str, ...]:
    """Returns the names of the 6457 descriptors, in the order of every vector."""
    return (*feature_names(), *harmony_names(), *texture_names())


def usable_windows(clip: DecodedClip, path: Path) -> tuple[FloatArray, ...]:
    """Returns the windows of a clip, mirrored up to a second where they are shorter.

    Raises:
        UnusableClip: they hold silence, or too little sound.
    """
    length = len(clip.windows[0])
    if length < SHORTEST_S * clip.rate_hz:
        lasts_s = length / clip.rate_hz
        raise UnusableClip(path, f"lasts {lasts_s:.4f} s; at least {SHORTEST_S} s are needed")
    if max(float(np.abs(window).max()) for window in clip.windows) <= SILENCE:
        raise UnusableClip(path, "nothing but silence")
    missing = round(_FLOOR_S * clip.rate_hz) - length
    if missing <= 0:
        return clip.windows
    return tuple(np.pad(window, (0, missing), mode="symmetric") for window in clip.windows)
