"""What a candidate is worth beside the bundle in service: a part of its manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DimensionCompared(_Part):
    """Held-out errors of one dimension on the annotated sounds.

    Errors are RMSE in units of the rating; without a layer it is that of the regression below the
    candidate. A gain is the share by which the mean squared error
    falls. `p_` is that of the paired test. `elsewhere` is in folders of which no sound was learned
    from; absent if all lie in one. All are absent where too little is annotated.
    """

    dimension: Literal["arousal", "valence"]
    annotations: int
    groups: int
    rmse_in_service: float | None
    rmse_candidate: float | None
    rmse_constant: float | None
    rmse_without_layer: float | None
    rmse_in_service_elsewhere: float | None
    rmse_candidate_elsewhere: float | None
    gain_over_service: float | None
    gain_over_constant: float | None
    p_over_service: float | None
    p_over_constant: float | None
    passed: bool
    verdict: str


class PartCompared(_Part):
    """Cross-validated R2 of one part of the corpora, by the regressions below the listener layers.

    A part is bounded if it has clips and groups enough for its R2 to mean something, and ratings of
    its own rather than norms of a class; the others are told and not judged.
    """

    part: str
    dimension: Literal["arousal", "valence"]
    clips: int
    groups: int
    r2_in_service: float | None
    r2_candidate: float | None
    bounded: bool


class CorporaCompared(_Part):
    """Whether a regression that was fitted on more corpora is worth having."""

    parts: list[PartCompared]
    most_fall: float
    most_fall_of_a_part: float
    gain_on_new: float
    p_on_new: float
    passed: bool
    verdict: str


class BundleComparison(_Part):
    """Everything that decided whether a candidate was to be published.

    `left_out` counts annotated sounds that the regression was itself fitted on: they tell nothing
    of sounds it has not met.
    """

    yardstick: str
    seed: int
    folds: int
    test: str
    level: float
    margin: float
    left_out: int
    dimensions: list[DimensionCompared]
    corpora: CorporaCompared | None
    passed: bool
    verdict: str
