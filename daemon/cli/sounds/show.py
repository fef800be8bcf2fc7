"""`valenced show`: everything the catalogue has about one file, and the file's tags."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.options import format_option, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import not_in_catalogue, open_catalogue
from daemon.paths import canonical_path
from daemon.service_errors import TagWriteError
from daemon.wording import counted
from storage.schema.sound_filter import SoundFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.loading import LoadedSettings

BARS = "▁▂▃▄▅▆▇█"


@click.command("show")
@click.argument("file", type=click.Path(readable=False, path_type=Path))
@format_option
@with_settings
def command(loaded: LoadedSettings, *, file: Path, output: str) -> None:
    """Show the prediction of FILE with intervals and curve, its annotations, tags and failures."""
    document = _document(loaded, canonical_path(file))
    if output == "json":
        print_json(document)
    else:
        for line in _lines(document):
            say(line)


def _document(loaded: LoadedSettings, path: Path) -> dict[str, Any]:
    thresholds = loaded.settings.mood
    wanted = SoundFilter(
        path=path, thresholds=(thresholds.arousal_threshold, thresholds.valence_threshold)
    )
    with open_catalogue(loaded) as catalogue:
        queries = catalogue.queries
        sounds = queries.sounds(wanted)
        failures = queries.failures(path)
        clip = catalogue.clip_at(path)
        annotations = catalogue.annotations.all(path)
        curve = [] if clip is None else queries.curve(clip.identity)
    if clip is None and not failures:
        raise not_in_catalogue(loaded, path)
    return {
        "path": str(path),
        "sound": {**asdict(sounds[0]), "path": str(path)} if sounds else None,
        "is_missing": clip is not None and clip.is_missing,
        "identity": None if clip is None else clip.identity,
        "curve": [asdict(point) for point in curve],
        "annotations": [{**asdict(one), "path": str(path)} for one in annotations],
        "tags": _tags(loaded, path),
        "failure": {**asdict(failures[0]), "path": str(path)} if failures else None,
    }


def _tags(loaded: LoadedSettings, path: Path) -> dict[str, list[str]]:
    """Return our tags in a file, none where they cannot be read."""
    from daemon.tagging import api
    from daemon.worker.tag_client import TagClient
    from daemon.worker.worker_client import WorkerClient

    with closing(WorkerClient(loaded.settings.analysis)) as worker, suppress(TagWriteError):
        return api.read(path, TagClient(worker))
    return {}


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield document["path"]
    sound = document["sound"]
    if document["is_missing"]:
        yield "  the file is missing; its results are kept"
    if sound is not None:
        yield f"  mood      {sound['mood']}"
        if sound["kind"] is not None:
            yield f"  kind      {sound['kind']}, probability {sound['kind_probability']:.2f}"
        for name in ("arousal", "valence"):
            low, high = sound[f"{name}_low"], sound[f"{name}_high"]
            curve = _bars([point[name] for point in document["curve"]])
            yield f"  {name}   {sound[name]:+.2f}   between {low:+.2f} and {high:+.2f}   {curve}"
        likeness = "similar to" if sound["novelty"] <= 1 else "unlike"
        yield f"  novelty   {sound['novelty']:.2f}   {likeness} the bundle's training set"
        yield f"  length    {sound['duration_s']:.1f} s"
        yield f"  bundle    {sound['bundle']}, {sound['analysed_at']}"
        yield f"  tags      {sound['tag_state']}"
    for one in document["annotations"]:
        values = ", ".join(
            f"{name} {one[name]:+.2f}" for name in ("arousal", "valence") if one[name] is not None
        )
        yield f"  annotated {values}   by {one['annotator']}, {one['made_at']} ({one['source']})"
    for key, values in sorted(document["tags"].items()):
        yield f"            {key} = {', '.join(values)}"
    failure = document["failure"]
    if failure is not None:
        retry = f"next at {failure['retry_at']}" if failure["retry_at"] else "given up"
        tried = counted(failure["attempts"], "attempt")
        yield f"  failed    {failure['reason']} ({tried}, {retry})"


def _bars(values: Sequence[float]) -> str:
    """Return values in [-1, 1] as a row of bars."""
    steps = (min(int((value + 1) / 2 * len(BARS)), len(BARS) - 1) for value in values)
    return "".join(BARS[max(step, 0)] for step in steps)
