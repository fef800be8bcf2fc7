"""The views for SQLAlchemy; the migrations define them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, String

from storage.schema.column_types import Moment
from storage.schema.tables import AFFECT, table

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
    (BigInteger, "annotators"),
    (Float, "arousal_reach valence_reach"),
)
