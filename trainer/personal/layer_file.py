"""``listener.npz``: a listener layer as plain arrays, believed only after a look at each."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.personal.gaussian_process import MOST_ROWS, PARTS, RatedSounds, ResidualProcess
from trainer.personal.layer import ComponentSpace, PersonalLayer
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.trainer_errors import BundleCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_COLUMNS: Final = {
    "positions": ("places", np.float32),
    "predicted": ("said", np.float64),
    "rating": ("rating", np.float64),
    "raters": ("raters", np.float64),
    "sound": ("sound", np.uint64),
    "group": ("group", np.uint64),
}
"""Fields of `RatedSounds`, each with its name and type in the file."""

_MOST_BYTES: Final = 64 * 1024 * 1024
_LARGEST: Final = 1e12


def encode_layer(listener: PersonalLayer) -> bytes:
    """Return a listener layer as the bytes of a compressed npz archive."""
    arrays: dict[str, NDArray[Any]] = {
        "basis": listener.space.basis,
        "origin": listener.space.origin,
    }
    for name in DIMENSIONS:
        calibration = listener.of(name)
        if calibration is None:
            continue
        arrays |= {
            f"{name}_{stored}": getattr(calibration.rated, field)
            for field, (stored, _) in _COLUMNS.items()
        }
        arrays[f"{name}_spreads"] = calibration.spreads
        arrays[f"{name}_duals"] = calibration.duals
        arrays[f"{name}_widening"] = np.array([calibration.widening])
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def decode_layer(content: bytes, place: str, features: int) -> PersonalLayer:
    """Read a listener layer; nothing in it is ever unpickled.

    Args:
        content: what `encode_layer` returned.
        place: what to call the bundle in an error.
        features: descriptors of a feature vector.

    Raises:
        BundleCorrupt: the bytes are no such layer, or its arrays do not fit each other.
    """
    try:
        arrays = _arrays(content)
        space = ComponentSpace(
            _taken(arrays, "basis", np.float32), _taken(arrays, "origin", np.float32)
        )
        components = len(space.origin)
        _demand(space.basis.shape == (features, components) and components > 0, "basis")
        calibrations = {name: _calibration(arrays, name, components) for name in DIMENSIONS}
    except Exception as error:
        # What zip, zlib and numpy's header parser raise on damage is more than they document.
        said = " ".join(str(error).split())
        raise BundleCorrupt(f"{place} is no listener layer: {said}") from error
    return PersonalLayer(space, **calibrations)


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    # An archive of zeros unpacks to a thousand times its size.
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _demand(sum(entry.file_size for entry in archive.infolist()) <= _MOST_BYTES, "size")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _calibration(
    arrays: Mapping[str, NDArray[Any]], name: str, components: int
) -> ResidualProcess | None:
    if f"{name}_said" not in arrays:
        return None
    columns = {
        field: _taken(arrays, f"{name}_{stored}", kind)
        for field, (stored, kind) in _COLUMNS.items()
    }
    spreads = _taken(arrays, f"{name}_spreads", np.float64)
    duals = _taken(arrays, f"{name}_duals", np.float64)
    widening = _taken(arrays, f"{name}_widening", np.float64)
    count = len(columns["predicted"])
    _demand(0 < count <= MOST_ROWS, f"{name}_said")
    for field, (stored, _) in _COLUMNS.items():
        shape = (count, components) if field == "positions" else (count,)
        _demand(columns[field].shape == shape, f"{name}_{stored}")
    for field in ("predicted", "rating"):
        _demand(bool((np.abs(columns[field]) <= 1).all()), f"{name}_{_COLUMNS[field][0]}")
    _demand(bool((columns["raters"] >= 1).all()), f"{name}_raters")
    _demand(duals.shape == (count,), f"{name}_duals")
    _demand(spreads.shape == (len(PARTS),) and bool((spreads > 0).all()), f"{name}_spreads")
    _demand(widening.shape == (1,) and bool(widening[0] > 0), f"{name}_widening")
    return ResidualProcess(
        rated=RatedSounds(**columns), spreads=spreads, duals=duals, widening=float(widening[0])
    )


def _taken(arrays: Mapping[str, NDArray[Any]], name: str, kind: type) -> NDArray[Any]:
    found = arrays[name]
    _demand(found.dtype == kind, name)
    if np.issubdtype(kind, np.floating):
        # Not even a product of two of them may overflow.
        _demand(bool((np.abs(found) < _LARGEST).all()), name)
    return found


def _demand(holds: bool, name: str) -> None:  # noqa: FBT001 - the condition is the point
    if not holds:
        raise ValueError(f"'{name}' is not as it should be")
