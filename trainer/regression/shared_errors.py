"""Errors that ratings have in common: of the norm of a class, and of a corpus of proxies.

Clips of a corpus with the very same ratings have the norm of their class, which differs from their
true ratings by the same amount. Where the ratings of a corpus are proxies, their scale may begin
elsewhere. Both are noise with a covariance of one within each such group, and so part of the noise
of a Gaussian process (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROXY_WEIGHT: Final = 0.5
"""Mean weight up to which the ratings of a corpus are proxies, with an origin of their own."""

_JITTER: Final = 1e-6


@dataclass(frozen=True, slots=True)
class SharedErrors:
    """Which clips share an error, and how large it is.

    Attributes:
        norm: the number of the norm that a clip shares with others, -1 for none, shape (clips,).
        origin: the number of the origin, alike. Clips that share a norm share an origin, or none.
        norm_noise: variance of the error of a norm.
        origin_noise: variance of the error of an origin.
    """

    norm: NDArray[np.intp]
    origin: NDArray[np.intp]
    norm_noise: float
    origin_noise: float

    def covariance(self) -> NDArray[np.float64]:
        """Return the covariance of the errors, shape (clips, clips)."""
        return self.norm_noise * _alike(self.norm) + self.origin_noise * _alike(self.origin)


def same_norm(ratings: NDArray[np.float64], corpus: NDArray[np.str_]) -> NDArray[np.intp]:
    """Number the norms: ratings of shape (clips, targets) that several clips of a corpus have."""
    keyed = np.column_stack([np.unique(corpus, return_inverse=True)[1], ratings])
    number, counts = np.unique(keyed, axis=0, return_inverse=True, return_counts=True)[1:]
    return _renumbered(number, counts > 1)


def same_origin(weight: NDArray[np.float64], corpus: NDArray[np.str_]) -> NDArray[np.intp]:
    """Number the corpora whose ratings are proxies, which their weight says, shape (clips,)."""
    number, counts = np.unique(corpus, return_inverse=True, return_counts=True)[1:]
    return _renumbered(number, np.bincount(number, weight) / counts <= _PROXY_WEIGHT)


class SpannedFit:
    """The normal equations of a kernel that is spanned by some of the clips, for one target.

    The subset of regressors (Rasmussen and Williams, 2006, section 8.3.1). Clips are added in
    blocks. What they have in common is kept as sums over those that share an error, and taken off
    at the end: the inverse of the noise is that of its diagonal, less a part for each group
    (Woodbury's identity).

    Args:
        kernel: of the clips that span it, shape (spanning, spanning).
        noise: variance of a rating of weight 1.
        errors: of all clips that will be added.
    """

    def __init__(self, kernel: NDArray[np.float64], noise: float, errors: SharedErrors) -> None:
        self._noise, self._errors = noise, errors
        self._normal = noise * kernel
        self._right = np.zeros(len(kernel))
        self._norms = _Sums(errors.norm, len(kernel))
        self._origins = _Sums(errors.origin, len(kernel))

    def add(
        self,
        block: slice,
        kernel: NDArray[np.float64],
        residual: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        """Add a block of clips, (clips, spanning), what is to be explained of each, and weights."""
        weighted = kernel * weight[:, None]
        self._normal += weighted.T @ kernel
        self._right += weighted.T @ residual
        self._norms.add(self._errors.norm[block], weighted, residual, weight)
        self._origins.add(self._errors.origin[block], weighted, residual, weight)

    def duals(self) -> NDArray[np.float64]:
        """Solve for the dual coefficients, shape (spanning,). Nothing can be added afterwards."""
        norms, origins, errors = self._norms, self._origins, self._errors
        shrunk = self._take_off(norms, errors.norm_noise)
        # A norm lies in one origin, which then has that much less of its clips.
        part = np.zeros((len(origins.weight), len(norms.weight)))
        both = (errors.norm >= 0) & (errors.origin >= 0)
        own = errors.norm[both]
        part[errors.origin[both], own] = (shrunk * norms.weight)[own]
        origins.kernel -= part @ norms.kernel
        origins.residual -= part @ norms.residual
        origins.weight -= part @ norms.weight
        self._take_off(origins, errors.origin_noise)
        diagonal = np.diag_indices_from(self._normal)
        self._normal[diagonal] += _JITTER * np.trace(self._normal) / len(self._normal)
        return np.linalg.solve(self._normal, self._right).astype(np.float64)

    def _take_off(self, sums: _Sums, variance: float) -> NDArray[np.float64]:
        """Take off what groups have in common; return the factor of each group's."""
        factors = variance / (self._noise + variance * sums.weight)
        self._normal -= (sums.kernel.T * factors) @ sums.kernel
        self._right -= sums.kernel.T @ (factors * sums.residual)
        return factors


class _Sums:
    """Weighted sums over the clips of each group: of the kernel, the residuals, and the weights."""

    def __init__(self, group: NDArray[np.intp], spanning: int) -> None:
        groups = int(group.max(initial=-1)) + 1
        self.kernel = np.zeros((groups, spanning))
        self.residual = np.zeros(groups)
        self.weight = np.zeros(groups)

    def add(
        self,
        group: NDArray[np.intp],
        weighted: NDArray[np.float64],
        residual: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        found = np.unique(group[group >= 0])
        member = (group == found[:, None]).astype(np.float64)
        self.kernel[found] += member @ weighted
        self.residual[found] += member @ (weight * residual)
        self.weight[found] += member @ weight


def _alike(number: NDArray[np.intp]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (number[:, None] == number) & (number >= 0)
    return same


def _renumbered(number: NDArray[np.intp], is_shared: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return consecutive numbers for the groups that count, and -1 for others."""
    new = np.where(is_shared, np.cumsum(is_shared) - 1, -1)
    renumbered: NDArray[np.intp] = new[number]
    return renumbered
