"""Reading and writing ``listener.npz``, a personal layer as plain arrays, each of them checked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.features.packed_vector import VALUES, VALUES_BEFORE_TEXTURE
from trainer.files.array_archive import read_arrays
from trainer.personal.gaussian_process import MOST_ROWS, PARTS, RatedSounds, ResidualProcess
from trainer.personal.layer import ComponentSpace, PersonalLayer
from trainer.regression.kind_kernel import DIMENSIONS
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


def encode_layer(layer: PersonalLayer) -> bytes:
    """Return a personal layer as a compressed npz archive."""
    arrays: dict[str, NDArray[Any]] = {"basis": layer.space.basis, "origin": layer.space.origin}
    for name in DIMENSIONS:
        process = layer.of(name)
        if process is None:
            continue
        for field, (stored, _) in _COLUMNS.items():
            arrays[f"{name}_{stored}"] = getattr(process.rated, field)
        arrays[f"{name}_spreads"] = process.spreads
        arrays[f"{name}_duals"] = process.duals
        arrays[f"{name}_widening"] = np.array([process.widening])
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def decode_layer(content: bytes, name: str, features: int) -> PersonalLayer:
    """Read a personal layer; nothing in it is ever unpickled.

    In the space of one from before texture was described, texture has no part.

    `name` is that of the file, for errors; `features` is the number of descriptors of a vector.

    Raises:
        BundleCorrupt: the bytes are not such a layer, or its arrays do not fit each other.
    """
    try:
        arrays = read_arrays(content, _MOST_BYTES)
        basis = _array(arrays, "basis", np.float32)
        if len(basis) == VALUES_BEFORE_TEXTURE and features == VALUES:
            basis = np.pad(basis, ((0, VALUES - VALUES_BEFORE_TEXTURE), (0, 0)))
        space = ComponentSpace(basis, _array(arrays, "origin", np.float32))
        components = len(space.origin)
        _check(space.basis.shape == (features, components) and components > 0, "basis")
        processes = {each: _process(arrays, each, components) for each in DIMENSIONS}
    except Exception as error:
        # On damage, zip, zlib and numpy's header parser raise more than they document.
        reason = " ".join(str(error).split())
        raise BundleCorrupt(f"{name}: not a personal layer: {reason}") from error
    return PersonalLayer(space, **processes)


def _process(
    arrays: Mapping[str, NDArray[Any]], name: str, components: int
) -> ResidualProcess | None:
    if f"{name}_said" not in arrays:
        return None
    columns = {
        field: _array(arrays, f"{name}_{stored}", kind)
        for field, (stored, kind) in _COLUMNS.items()
    }
    spreads, duals, widening = (
        _array(arrays, f"{name}_{key}", np.float64) for key in ("spreads", "duals", "widening")
    )
    count = len(columns["predicted"])
    _check(0 < count <= MOST_ROWS, f"{name}_said")
    for field, (stored, _) in _COLUMNS.items():
        shape = (count, components) if field == "positions" else (count,)
        _check(columns[field].shape == shape, f"{name}_{stored}")
    for field in ("predicted", "rating"):
        _check(bool((np.abs(columns[field]) <= 1).all()), f"{name}_{_COLUMNS[field][0]}")
    _check(bool((columns["raters"] >= 1).all()), f"{name}_raters")
    _check(duals.shape == (count,), f"{name}_duals")
    _check(spreads.shape == (len(PARTS),) and bool((spreads > 0).all()), f"{name}_spreads")
    _check(widening.shape == (1,) and bool(widening[0] > 0), f"{name}_widening")
    return ResidualProcess(
        rated=RatedSounds(**columns), spreads=spreads, duals=duals, widening=float(widening[0])
    )


def _array(arrays: Mapping[str, NDArray[Any]], name: str, kind: type) -> NDArray[Any]:
    found = arrays[name]
    _check(found.dtype == kind, name)
    if np.issubdtype(kind, np.floating):
        # No product of two values may overflow.
        _check(bool((np.abs(found) < _LARGEST).all()), name)
    return found


def _check(holds: bool, name: str) -> None:  # noqa: FBT001 - the condition is the point
    if not holds:
        raise ValueError(f"'{name}' has a wrong type, shape or value")
