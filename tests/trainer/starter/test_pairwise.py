from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.corpora.folders import put_sonancia
from tests.trainer.regression.rated import small_table
from trainer.corpora.rated_clip import CorpusError
from trainer.starter.pairwise import pair_accuracy, pairs_text

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [("a", "b"), ("b", "c"), ("c", "a")]
OWN_GROUPS = {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ({"a": 3.0, "b": 2.0, "c": 1.0}, 2 / 3),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, 1 / 3),
        ({"a": 0.0, "b": 0.0, "c": 0.0}, 1 / 2),
    ],
)
def test_a_pair_is_correct_if_the_preferred_sound_is_higher(
    said: dict[str, float], share: float
) -> None:
    found = pair_accuracy(PAIRS, said, OWN_GROUPS, seed=1)
    assert found.value == pytest.approx(share)
    assert found.low <= share <= found.high


def test_fewer_groups_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    said = {str(n): float(n) for n in range(60)}
    pairs = [(a, b) for a, b in rng.choice(sorted(said), (400, 2)).tolist() if a != b]
    # Half of the sounds are preferred whatever else there is, so that it matters which are drawn.
    pairs = [(a, b) if int(a) % 2 or said[a] > said[b] else (b, a) for a, b in pairs]
    wide, narrow = (
        pair_accuracy(pairs, said, {name: str(int(name) % many) for name in said}, seed=1)
        for many in (4, 60)
    )
    assert wide.value == narrow.value
    assert wide.high - wide.low > narrow.high - narrow.low


def test_the_table_has_a_row_for_each_dimension(tmp_path: Path) -> None:
    names = ("1_1_C1_20", "4_2_C2_5", "9_3_C3_35")
    put_sonancia(tmp_path, f"{names[0]},{names[1]}\n{names[1]},gone_2_C2_5\n", names)
    paths = np.array([f"sonancia/audio/{name}.opus" for name in names])
    table = replace(small_table(3, 0), corpus=np.full(3, "sonancia"), path=paths)
    up = np.array([[0.3, 0.1], [0.2, 0.2], [0.1, 0.3]])
    text = pairs_text(table, {"joint": up}, tmp_path, seed=1)
    arousal, valence = text.splitlines()[2:]
    assert arousal.startswith("| arousal | 1 | 1.00 ")
    assert valence.startswith("| valence | 1 | 0.00 ")
    (tmp_path / "sonancia" / "pairs" / "Valence_Preferences.csv").write_text("a,b,c\n")
    with pytest.raises(CorpusError, match="not a pair"):
        pairs_text(table, {"joint": up}, tmp_path, seed=1)
