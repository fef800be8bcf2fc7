"""The experiments are made by the real command, on the table that the bundle brings."""

from __future__ import annotations

import html
import json
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daemon.cli.learning.corpus import MOST_LISTED
from tests.sounds import music_like, write_audio
from tests.trainer.corpora.brought import put_sounds, put_table
from trainer.bundles.bundle import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced

FEW = ("--corpora", "vgmidi,naturalsounds", "--folds", "2", "--repeats", "1")


def test_joint_training_is_evaluated_on_the_shipped_clips(
    valenced: Valenced, tmp_path: Path
) -> None:
    report = tmp_path / "a report"
    told = valenced("evaluate", *FEW, "--seed", "7", "--output", report).decode()
    assert f"own regression of {SHIPPED.name} on 17 of naturalsounds (music)" in told
    assert "joint: Does one fit on all kinds" in told
    assert "The joint fit is at least as good as the best fit on a single kind in" in told
    assert "Joint training" in told
    document = json.loads((report / "report.json").read_bytes())
    page = (report / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert document["experiments"][0]["verdict"][0] in html.unescape(page)
    assert (document["seed"], document["folds"], document["repeats"]) == (7, 2, 1)
    assert document["command"].startswith("valenced evaluate --set ")
    assert {each["part"] for each in document["corpora"]} >= {"vgmidi", "all music", "all sound"}
    assert {"scikit-learn", "numpy", "valenced"} <= set(document["versions"])
    (experiment,) = document["experiments"]
    assert {each["condition"] for each in experiment["figures"]} == {
        "joint", "alone", "music alone", "sound alone",
    }  # fmt: skip
    assert len(experiment["tests"]) == 12
    assert len(experiment["against_best"]) == 4
    # Half a dozen voices among the sounds are too few to be tested.
    assert "6 clips of voice in 5 groups are too few for 2 folds" in document["problems"]
    figures = {path.name for path in (report / "figures").iterdir()}
    assert {"joint-predictions-arousal-of-music.svg", "joint-coverage.svg"} <= figures
    assert {path.name for path in (report / "tables").iterdir()} == {
        f"{table}.{suffix}"
        for table in ("joint-scores", "joint-tests", "joint-against-best", "corpora")
        for suffix in ("csv", "tex")
    }
    assert not (report / "cells").exists()


def test_an_interrupted_evaluation_ends_at_once_and_continues_later(
    valenced: Valenced, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    line = ("evaluate", *FEW, "--experiment", "mixing", "--jobs", "1", "--output", report)
    with valenced.start(*line) as evaluating:
        evaluating.wait_until(lambda: len(list((report / "cells").glob("*.npz"))) >= 2)
        assert evaluating.stop(signal.SIGINT) == 130
        assert "Traceback" not in "\n".join(evaluating.lines)
    kept = {path: path.stat().st_mtime_ns for path in (report / "cells").glob("*.npz")}
    assert len(kept) >= 2
    assert not list(report.glob("report.*"))
    with valenced.start(*line) as evaluating:
        evaluating.wait_until(lambda: len(list((report / "cells").glob("*.npz"))) > len(kept))
        evaluating.stop(signal.SIGINT)
    after = {path: path.stat().st_mtime_ns for path in (report / "cells").glob("*.npz")}
    assert kept.items() < after.items()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--experiment", "jointly"], "'jointly' is not one of"),
        (["--regression", "forest"], "'forest' is not one of"),
        (["--folds", "1"], "1 is not in the range"),
        (["--repeats", "0"], "0 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    valenced: Valenced, arguments: list[str], told: str
) -> None:
    valenced("evaluate", *arguments, exit_code=2)
    assert told in valenced.stderr


def test_an_evaluation_that_fails_is_one_line_and_leaves_nothing(
    valenced: Valenced, tmp_path: Path
) -> None:
    report = tmp_path / "report"

    def refused(*arguments: str | Path) -> str:
        valenced("evaluate", "--output", report, *arguments, exit_code=1)
        assert valenced.stderr.count("\n") == 1
        assert not report.exists()
        return valenced.stderr

    assert "there is music only; add a corpus of another kind" in refused("--corpora", "emotify")
    assert "no corpus of that name can be used; there are emotify" in refused("--corpora", "no\x1b")
    assert "\x1b" not in valenced.stderr
    assert "8 rated clips of voice in 1 groups are too few for 9 folds" in refused(
        "--corpora", "esc10", "--experiment", "single-domain", "--folds", "9"
    )
    report.write_text("in the way")
    valenced("evaluate", "--output", report / "below", exit_code=1)
    assert "choose another --output" in valenced.stderr


def test_an_imported_corpus_is_evaluated_beside_the_bundles(
    valenced: Valenced, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    names = ["a" * (i + 1) + ".wav" for i in range(32)]
    put_sounds(folder, names)
    rows = [(name, i / 40, -i / 40, ("Mali", "Peru")[i % 2]) for i, name in enumerate(names)]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence", "culture"), rows)
    told = valenced("corpus", "add", "manifest", folder, "--name", "mine").decode()
    assert "for evaluate --by: culture (2 values)" in told
    valenced("evaluate", "--by", "age", "--output", tmp_path / "no", exit_code=1)
    assert "no corpus has a grouping column age; there are corpus, kind, culture" in valenced.stderr
    valenced("evaluate", "--by", "culture", "--output", tmp_path / "no", exit_code=1)
    assert "column culture: 0 values have at least 30 rated clips in 5 groups" in valenced.stderr
    found = valenced.read(
        "evaluate", "--corpora", "mine, vgmidi", "--experiment", "single-domain", "--experiment",
        "cross-cultural", "--by", "corpus", "--regression", "svr", "--folds", "2", "--repeats", "1",
        "--output", tmp_path / "r",
    )  # fmt: skip
    assert {each["part"]: each["clips"] for each in found["corpora"]}["mine"] == 32
    assert found["regression"]["name"] == "svr"
    crossed = found["experiments"][1]
    assert (found["by"], crossed["tested_on"]) == ("corpus", ["mine", "vgmidi"])
    assert (tmp_path / "r" / "figures" / "cross-cultural-groups-arousal.svg").exists()
    assert (tmp_path / "r" / "tables" / "cross-cultural-tests.csv").exists()
    assert found == json.loads((tmp_path / "r" / "report.json").read_bytes())


def test_the_same_clips_under_two_names_are_held_out_together(
    valenced: Valenced, tmp_path: Path
) -> None:
    """Ratings drawn at random cannot be predicted, unless a copy of the clip was fitted on."""
    folder = tmp_path / "mine"
    names = ["a" * (i + 1) + ".wav" for i in range(32)]
    put_sounds(folder, names)
    dice = np.random.default_rng(3).uniform(-1, 1, (32, 2)).round(3).tolist()
    rows = [(name, *pair) for name, pair in zip(names, dice, strict=True)]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence"), rows)
    added = valenced.read("corpus", "add", "manifest", folder, "--name", "mine")
    assert added["repeated"] == []
    told = valenced("corpus", "add", "manifest", folder, "--name", "again").decode()
    # Corpora stand in the order of their names.
    assert told.count("repeated  ") == MOST_LISTED
    assert f"… {32 - MOST_LISTED} more; --format json has all" in told
    assert "repeated  a.wav of mine: same sound as a.wav of again" in told
    assert "32 clips repeat a sound of the corpora" in valenced.stderr
    line = (
        "evaluate", "--corpora", "mine,again", "--experiment", "single-domain", "--regression",
        "svr", "--folds", "4", "--repeats", "2", "--output", tmp_path / "r",
    )  # fmt: skip
    found = valenced.read(*line)
    figures = [each for each in found["experiments"][0]["figures"] if each["part"] == "all music"]
    assert all(each["r2"] < 0.2 for each in figures), figures
    assert figures[0]["groups"] == 32
    # Both copies of each clip in about three of four folds.
    assert figures[0]["fitted_on"] in range(40, 57, 2)
    assert found["repeated"] == ["32 clips of mine are also in again (a.wav is a.wav, …)"]
    assert "32 clips of mine are also in again" in (tmp_path / "r" / "report.html").read_text()
    assert "held out together: 32 clips of mine are also in again" in valenced(*line).decode()


def test_other_files_of_a_recording_within_a_corpus_are_named_and_share_a_group(
    valenced: Valenced, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("one.wav", "one.mp3", "two.flac"):
        seed = 1 if name.startswith("one") else 2
        write_audio(folder / name, music_like(12.0, seed=seed), 44100)
    (folder / "copy.wav").write_bytes((folder / "one.wav").read_bytes())
    rows = [(name, 0.5, 0.5) for name in ("one.wav", "one.mp3", "two.flac", "copy.wav")]
    put_table(folder / "manifest.csv", ("path", "arousal", "valence"), rows)
    added = valenced.read("corpus", "add", "manifest", folder)
    assert [each["item"] for each in added["skipped"]] == ["copy.wav"]
    assert added["repeated"] == [
        {
            "corpus": "manifest", "path": "one.mp3",
            "first_corpus": "manifest", "first_path": "one.wav",
        }
    ]  # fmt: skip
