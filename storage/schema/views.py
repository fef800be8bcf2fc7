"""The views for SQLAlchemy; the migrations define them."""

from __future__ import annotations

from sqlalchemy import Float, Integer, String

from storage.schema.column_types import Moment, PathText
from storage.schema.tables import AFFECT, table

sounds = table(
    "sounds",
    (PathText, "path"),
    (Float, AFFECT),
    (String, "mood"),
    (Float, "novelty duration_s"),
    (String, "bundle analysed_at tag_state kind"),
    (Float, "kind_probability"),
    keys=0,
)
failures = table(
    "failures",
    (PathText, "path"),
    (String, "reason"),
    (Integer, "attempts"),
    (String, "retry_at"),
    keys=0,
)
felt = table(
    "felt",
    (String, "identity"),
    (Float, f"{AFFECT} novelty"),
    (String, "bundle"),
    (Moment, "analysed_at"),
    (String, "kind"),
    (Float, "kind_probability"),
)
"""What is shown of each sound: the mean of its annotations, else the prediction.

The ends of an annotated value are an 80 % interval of the mean: as far from it as the range of the
people's values times a factor by their number (Lord, The use of range in place of standard
deviation in the t-test, Biometrika 34, 1947); of two people it is Student's interval. One person's
value has no interval: it is what that person feels. Migration 7 lists the factors.
"""
rated = table(
    "rated",
    (String, "identity"),
    (Float, "arousal valence"),
    (Integer, "annotators"),
    (Float, "arousal_reach valence_reach"),
)
annotations_view = table(
    "annotations",
    (Integer, "id"),
    (PathText, "path"),
    (Float, "arousal valence"),
    (String, "annotator made_at source"),
)
