"""The command that builds the starter bundle from the corpora, or writes its evaluation.

    python -m trainer.starter.build build --corpora DIR [--out DIR]
    python -m trainer.starter.build report --corpora DIR [--into docs/starter.md]
    python -m trainer.starter.build texture --corpora DIR

`build` writes the bundle and prints its scores. `report` adds corpora left out, the paper's
pipeline on the same folds, fits on one kind, and what else docs/starter.md shows; it takes longer.
`texture` fits what completes vectors of earlier releases; a new fit would complete them otherwise.
The same sounds, seed and library versions give the same folds, and predictions that agree to 1e-4
between machines and exactly on the same one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from config.errors import ValencedError
from trainer.bundles.bundle import SHIPPED, write_bundle
from trainer.bundles.bundle_manifest import FORMAT, FitRecipe, FittedOn, Manifest
from trainer.corpora.data_sets.importers import read_starter_corpora
from trainer.corpora.training_rows import table_of
from trainer.evaluation.cross_validation import cross_validate, held_out_scores
from trainer.features.extract import CANONICAL
from trainer.features.texture_estimate import FITTED
from trainer.regression.joint import LEVEL, RECIPE, JointRegression
from trainer.regression.same_sounds import linked, same_sounds
from trainer.starter.markdown import put_between_marks
from trainer.starter.starter_report import figures_text, full_report
from trainer.starter.starter_table import extract_corpora
from trainer.starter.texture_fit import fit_texture, write_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.bundles.bundle_manifest import HeldOutScores
    from trainer.corpora.rated_clip import RatedClip
    from trainer.regression.training_table import TrainingTable

NAME: Final = "starter-6"
SEED: Final = 20240229

WEAKNESS: Final = (
    "A starter: it orders the arousal of music and of voices well and their valence fairly, and "
    "for everyday sounds it rests on averages of classes and on level, so trust an order more than "
    "a value."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        clips = read_starter_corpora(chosen.corpora)
        features = extract_corpora(chosen.corpora, clips, CANONICAL, chosen.cache, _progress)
        table = table_of(clips, features)
        table = replace(table, group=linked(table.group, same_sounds(table.vectors)))
        if chosen.command == "build":
            _build(clips, table, chosen.out)
        elif chosen.command == "texture":
            write_estimate(fit_texture(table), FITTED)
        else:
            report = full_report(table, clips, chosen.corpora, chosen.cache, SEED, _progress)
            if chosen.into is None:
                _print(report)
            else:
                put_between_marks(chosen.into, report)
    except ValencedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _build(clips: Sequence[RatedClip], table: TrainingTable, out: Path) -> None:
    started = time.monotonic()
    regression = JointRegression().fit(table)
    fit_s = time.monotonic() - started
    held_out = held_out_scores(table, cross_validate(table, regression, SEED), SEED)
    draft = _draft(clips, table, regression, held_out)
    unfinished = out.with_name(f".{out.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    write_bundle(unfinished, draft, regression, table)
    shutil.rmtree(out, ignore_errors=True)
    unfinished.rename(out)
    # The shipped bundle is readable for all; the copy in a registry only for its owner.
    out.chmod(0o755)
    for file in out.iterdir():
        file.chmod(0o644)
    size = sum(file.stat().st_size for file in out.iterdir())
    _print(figures_text(held_out))
    _print(f"\n{out}: {size / 1e6:.1f} MB, fitted in {fit_s:.0f} s from the table\n")


def _draft(
    clips: Sequence[RatedClip],
    table: TrainingTable,
    regression: JointRegression,
    held_out: list[HeldOutScores],
) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=NAME,
        created_at="",
        fitted_on=fitted_on(clips),
        hearing=CANONICAL.key,
        features=table.vectors.shape[1],
        versions={},
        python="",
        seed=SEED,
        recipe=FitRecipe(name=RECIPE, settings=regression.get_params()),
        files={},
        held_out=held_out,
        interval_level=LEVEL,
        weakness=WEAKNESS,
    )


def fitted_on(clips: Sequence[RatedClip]) -> list[FittedOn]:
    """Describe the training set for the manifest, by corpus and domain."""
    parts = sorted({(clip.corpus, clip.domain) for clip in clips})
    return [_part([clip for clip in clips if (clip.corpus, clip.domain) == part]) for part in parts]


def _part(clips: Sequence[RatedClip]) -> FittedOn:
    return FittedOn(
        corpus=clips[0].corpus,
        domain=clips[0].domain,
        clips=len(clips),
        groups=len({clip.group for clip in clips}),
        weight=round(float(np.sum([clip.weight for clip in clips])), 3),
        licence=clips[0].licence,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.starter.build", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    default = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "valenced" / "heard"
    )
    for name in ("build", "report", "texture"):
        command = commands.add_parser(name)
        command.add_argument("--corpora", type=Path, required=True, help="folder of all corpora")
        command.add_argument(
            "--cache", type=Path, default=default, help="folder of the feature cache"
        )
        if name == "build":
            command.add_argument("--out", type=Path, default=SHIPPED, help="folder of the bundle")
        elif name == "report":
            command.add_argument("--into", type=Path, help="page whose marked part is replaced")
    return parser


def _progress(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        sys.stderr.write(f"{done} of {total} files analysed\n")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
