"""The comparison of a candidate with the published bundle, stored in the candidate's manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DimensionCompared(_Part):
    """Held-out errors of one dimension on the annotated sounds.

    Errors are RMSE in units of the rating; `rmse_without_layer` is that of the candidate's
    regression alone. A gain is the share by which the mean squared error falls; `p_` belongs to
    its paired test. `elsewhere` is measured with whole folders held out, and None if all sounds lie
    in one. All are None where there are too few annotations.
    """

    dimension: Literal["arousal", "valence"]
    annotations: int
    groups: int
    rmse_in_service: float | None = None
    rmse_candidate: float | None = None
    rmse_constant: float | None = None
    rmse_without_layer: float | None = None
    rmse_in_service_elsewhere: float | None = None
    rmse_candidate_elsewhere: float | None = None
    gain_over_service: float | None = None
    gain_over_constant: float | None = None
    p_over_service: float | None = None
    p_over_constant: float | None = None
    passed: bool = False
    verdict: str = ""


class PartCompared(_Part):
    """Cross-validated R2 of one part of the corpora, without personal layers.

    A part is `bounded`, so that its R2 must not fall, if it has enough clips and groups and was
    itself rated, not only its class; the others are reported only.
    """

    part: str
    dimension: Literal["arousal", "valence"]
    clips: int
    groups: int
    r2_in_service: float | None
    r2_candidate: float | None
    bounded: bool


class CorporaCompared(_Part):
    """Whether a regression that was fitted on more corpora is better.

    `repeated` names the sounds that occur more than once in the corpora, one line for each pair of
    corpora.
    """

    parts: list[PartCompared]
    most_fall: float
    most_fall_of_a_part: float
    gain_on_new: float
    p_on_new: float
    passed: bool
    verdict: str
    repeated: list[str] = []


class BundleComparison(_Part):
    """Everything that decided whether a candidate was published.

    `yardstick` names the published bundle. `people` annotated; None if unknown. `left_out` counts
    annotated sounds that are in the regression's own training set, perhaps as another file of the
    same recording, and so say nothing about new sounds.
    """

    yardstick: str
    people: int | None = None
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
