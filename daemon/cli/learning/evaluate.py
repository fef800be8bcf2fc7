"""`valenced evaluate`: repeats the paper's experiments on the imported corpora."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.errors import ValencedError
from daemon.cli.options import cluster_option, format_option, with_settings
from daemon.cli.output import print_bytes, say
from daemon.cli.session import progress_bar
from daemon.clock import utc_now
from daemon.paths import printable
from daemon.service_errors import FitsLost
from daemon.system.cpu_quota import usable_processors
from trainer.files.atomic_dir import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from config.loading import LoadedSettings
    from trainer.experiments.cells import CellStore, Fitters
    from trainer.experiments.outcomes import ExperimentResult
    from trainer.experiments.run_experiments import ReportContext

EXPERIMENTS = (
    "single-domain",
    "joint",
    "mixing",
    "constant-size",
    "shuffled-control",
    "cross-domain",
    "ablation",
    "learning-curve",
    "cross-cultural",
)
PAGE = "report.html"
FIGURES = "report.json"

log = logging.getLogger(__name__)

_NICE = 10
_TRIES = 4


@click.command("evaluate")
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    type=click.Choice([*EXPERIMENTS, "all"]),
    help="Experiment; may be repeated. joint if not given.",
)
@click.option(
    "--regression",
    type=click.Choice(["own", "svr", "elasticnet"]),
    default="own",
    help="The bundle's own regression (default), or one of the paper's.",
)
@click.option(
    "--corpora", metavar="NAME,…", help="Only these corpora, of the bundle's and the imported ones."
)
@click.option(
    "--by",
    metavar="COLUMN",
    default="",
    help="Column whose groups cross-cultural compares: corpus, kind, or one of a manifest.",
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, help="Number of folds; 5.")
@click.option(
    "--repeats", type=click.IntRange(1, 100), default=3, help="How often the folds are drawn; 3."
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=20240229, help="Random seed.")
@click.option(
    "--jobs", type=click.IntRange(0, 256), default=0, help="Fits in parallel; 0 for automatic."
)
@cluster_option("Fit")
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("valenced-report"),
    metavar="DIR",
    help="Folder of the report; valenced-report if not given.",
)
@format_option
@with_settings
def command(loaded: LoadedSettings, *, folder: Path, output: str, **chosen: Any) -> None:
    """Repeat the paper's experiments on the bundle's clips and the imported corpora.

    Writes report.html, one page with every figure, and report.json with their values; beside them
    each figure as SVG (figures) and each table as CSV and LaTeX (tables). Nothing is analysed or
    published. An interrupted evaluation continues where it stopped when the same command is given
    again.
    """
    from trainer.experiments.report.document import document_of, encoded
    from trainer.experiments.report.html import page_of
    from trainer.experiments.report.report_files import files_of
    from trainer.experiments.report.terminal import summary_of

    os.nice(_NICE)
    try:
        context = _context(loaded, chosen)
        with _created(folder):
            outcomes, cells = _evaluated(context, folder, chosen)
    except ValencedError as error:
        # A name may hold control characters.
        raise ValencedError(printable(str(error))) from error
    document = document_of(context, outcomes)
    page = page_of(document).encode(errors="xmlcharrefreplace")
    for name, content in files_of(document):
        path = folder / name
        with _created(path.parent):
            replace_file(path, partial(Path.write_bytes, data=content))
    # Last, so that where they are, everything is.
    replace_file(folder / FIGURES, partial(Path.write_bytes, data=encoded(document)))
    replace_file(folder / PAGE, partial(Path.write_bytes, data=page))
    cells.clear()
    if output == "json":
        print_bytes(encoded(document))
    else:
        for line in summary_of(document):
            say(line)
    say(f"report: {folder / PAGE}, {FIGURES}, figures/ and tables/", err=True)


def _evaluated(
    context: ReportContext, folder: Path, chosen: Mapping[str, Any]
) -> tuple[list[ExperimentResult], CellStore]:
    """Run the experiments; on a cluster that loses workers, go on with those that are left."""
    from trainer.experiments.run_experiments import evaluate

    for left in reversed(range(_TRIES)):
        try:
            with _fitters(chosen) as fitters, progress_bar("fitting", "fits") as progress:
                return evaluate(
                    _names(chosen), context, folder, fitters=fitters, progress=_told(progress)
                )
        except FitsLost as error:
            if not left:
                raise
            log.warning("%s; going on with the workers that are left", error)
    raise AssertionError


@contextmanager
def _fitters(chosen: Mapping[str, Any]) -> Iterator[Fitters]:
    if chosen["cluster"] is None:
        from trainer.experiments.cells import on_threads

        yield on_threads(chosen["jobs"] or usable_processors())
    else:
        from daemon.cluster.cluster_fits import fitted_on

        with fitted_on(chosen["cluster"]) as fitters:
            yield fitters


def _told(progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return the same progress, which says at its end what is waited for next."""

    def told(done: int, total: int) -> None:
        progress(done, total)
        if done == total:
            say("computing scores and intervals, and writing the report …", err=True)

    return told


def _names(chosen: Mapping[str, Any]) -> Sequence[str]:
    """Return the experiments; all of them are without the one that needs a column if none is given.

    A column alone asks for the experiment that uses it.
    """
    named, by = chosen["experiments"], chosen["by"]
    if "all" in named:
        return EXPERIMENTS if by else EXPERIMENTS[:-1]
    return named or (EXPERIMENTS[-1:] if by else ("joint",))


def _context(loaded: LoadedSettings, chosen: Mapping[str, Any]) -> ReportContext:
    from trainer.experiments.dataset import load_dataset
    from trainer.experiments.fitting import Fitting
    from trainer.experiments.run_experiments import ReportContext
    from trainer.experiments.splits import SplitProtocol

    wanted = [name.strip() for name in (chosen["corpora"] or "").split(",") if name.strip()]
    paths = loaded.paths
    dataset = load_dataset(paths.bundles, paths.corpora, wanted, chosen["by"], chosen["folds"])
    for problem in dataset.problems:
        log.warning("%s", problem)
    own = chosen["regression"] == "own"
    return ReportContext(
        made_at=utc_now().isoformat(timespec="seconds"),
        command=shlex.join(["valenced", *sys.argv[1:]]),
        dataset=dataset,
        fitting=Fitting(chosen["regression"], dataset.manifest.recipe.settings if own else {}),
        protocol=SplitProtocol(chosen["folds"], chosen["repeats"], chosen["seed"]),
    )


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create the folder of the report, and remove it again if the block fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValencedError(f"{folder}: {error.strerror}; choose another --output") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise
