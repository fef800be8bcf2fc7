from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from storage.annotations import Annotation, AnnotationStore, GivenAnnotation
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.records import Mood, Tagged, TagOutcome, TagState
from storage.schema.sound_filter import SoundFilter
from tests.catalogue_rows import columns_outside, rows_outside
from tests.records import A_MINUTE, NOON, record

if TYPE_CHECKING:
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip


def said(
    clip: Clip, arousal: float | None, valence: float | None, annotator: str = "ann"
) -> GivenAnnotation:
    return GivenAnnotation(clip.identity, clip.path, annotator, arousal, valence, "command")


@pytest.fixture
def heard(catalogue: Catalogue) -> Clip:
    return record(catalogue, "/m/a.mp3", 0.5, 0.5)


@pytest.fixture
def given(catalogue: Catalogue) -> AnnotationStore:
    return catalogue.annotations


def shown(catalogue: Catalogue) -> tuple[float, float, Mood, str]:
    (sound,) = catalogue.queries.sounds(SoundFilter())
    return sound.arousal, sound.valence, sound.mood, sound.bundle


def test_an_annotation_replaces_the_prediction(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, -0.5, 0.25)], NOON)
    assert shown(catalogue) == (-0.5, 0.25, Mood.CALM, "annotation")
    assert rows_outside(catalogue, "SELECT path FROM calm") == [("/m/a.mp3",)]
    ends = rows_outside(catalogue, "SELECT arousal_low, arousal_high FROM sounds")
    assert ends == [(-0.5, -0.5)]
    assert rows_outside(catalogue, "SELECT arousal FROM predictions") == [(500_000,)]


def test_several_people_count_by_their_mean(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.0, 0.5), said(heard, 0.5, None, "bob")], NOON)
    assert shown(catalogue)[:2] == (0.25, 0.5)
    (rated,) = catalogue.training_examples.rated("test/1")
    assert (rated.arousal, rated.valence, rated.annotators) == (0.25, 0.5, 2)
    assert catalogue.training_examples.rated("another hearing") == []


def ends(catalogue: Catalogue) -> tuple[float, ...]:
    """Return the intervals of the only sound as an outsider reads them, arousal first."""
    columns = "arousal_low, arousal_high, valence_low, valence_high"
    (row,) = rows_outside(catalogue, f"SELECT {columns} FROM sounds")
    return tuple(round(end, 3) for end in row)


def test_where_people_disagree_the_interval_says_so(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.1, 0.5)], NOON)
    assert ends(catalogue) == (0.1, 0.1, 0.5, 0.5)
    given.add([said(heard, 0.3, None, "bob")], NOON)
    # Of two values this is Student's interval: the quantile of one degree of freedom is 3.078.
    assert ends(catalogue) == (-0.108, 0.508, 0.5, 0.5)
    (sound,) = catalogue.queries.sounds(SoundFilter())
    assert (sound.arousal_low, sound.arousal_high) == pytest.approx((-0.1078, 0.5078))
    given.add([said(heard, 0.2, 0.5, "eve")], NOON)
    assert ends(catalogue) == (0.086, 0.314, 0.5, 0.5)
    given.withdraw(heard.identity, "bob", NOON)
    given.withdraw(heard.identity, "eve", NOON)
    assert ends(catalogue) == (0.1, 0.1, 0.5, 0.5)


def test_an_interval_stays_on_the_scale_and_narrows_with_the_number_of_people(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, -1.0, None), said(heard, 1.0, None, "bob")], NOON)
    assert ends(catalogue)[:2] == (-1.0, 1.0)
    widths = []
    for count in (4, 12, 24, 60, 200):
        people = [said(heard, (-1.0) ** i / 2, None, f"person {i}") for i in range(count)]
        given.add(people, NOON)
        given.withdraw(heard.identity, "ann", NOON)
        given.withdraw(heard.identity, "bob", NOON)
        widths.append(ends(catalogue)[1] - ends(catalogue)[0])
    assert widths == sorted(widths, reverse=True)
    assert 0.0 < widths[-1] < 0.1


def test_the_intervals_of_raters_cover_what_they_promise(
    catalogue: Catalogue, given: AnnotationStore
) -> None:
    """Four people about a mean of zero, 400 times: 80 % of the intervals hold it."""
    drawing = np.random.default_rng(1)
    clips = [record(catalogue, f"/m/{i}.mp3", 0.5, 0.5) for i in range(400)]
    for clip in clips:
        values = drawing.normal(0.0, 0.2, 4).clip(-1, 1).tolist()
        given.add([said(clip, value, None, f"p{i}") for i, value in enumerate(values)], NOON)
    sounds = catalogue.queries.sounds(SoundFilter())
    held = [sound.arousal_low <= 0.0 <= sound.arousal_high for sound in sounds]
    assert 0.74 < sum(held) / len(held) < 0.86


def test_a_second_annotation_of_a_person_replaces_the_first(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.0, 0.75)], NOON)
    given.add([said(heard, -1.0, None)], NOON + A_MINUTE)
    assert shown(catalogue)[:2] == (-1.0, 0.75)
    assert len(given.all()) == 1
    assert given.changed_since(NOON) == 1
    assert given.changed_since(NOON + A_MINUTE) == 0
    assert given.changed_since(None) == 1


def test_a_withdrawn_annotation_no_longer_counts(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.0, 0.0), said(heard, 1.0, 1.0, "bob")], NOON)
    assert given.withdraw(heard.identity, "bob", NOON + A_MINUTE) == 1
    assert shown(catalogue)[:2] == (0.0, 0.0)
    assert given.changed_since(NOON) == 1
    assert given.withdraw(heard.identity, None, NOON + A_MINUTE) == 1
    assert shown(catalogue)[3] == "test-1"
    assert given.withdraw(heard.identity, None, NOON + A_MINUTE) == 0


def test_an_annotation_follows_its_sound(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.0, 0.0)], NOON)
    odd = Path(os.fsdecode(b"/m/caf\xe9.mp3"))
    catalogue.rename_clip(heard, odd)
    assert [one.path for one in given.all()] == [odd]
    assert [one.path for one in given.all(odd)] == [odd]
    assert given.all(heard.path) == []
    catalogue.mark_missing([odd], NOON)
    assert [one.path for one in given.all()] == [odd]


def staged(given: AnnotationStore, *rows: GivenAnnotation, origin: str | None = None) -> int:
    with given.staging() as staging:
        staging.put(list(enumerate(rows, start=2)))
        return staging.add(origin, NOON)


def test_a_staged_table_is_added_as_single_annotations_are(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    given.add([said(heard, 0.0, 0.75), said(heard, 1.0, 1.0, "bob")], NOON - A_MINUTE)
    rows = [said(heard, -1.0, None), said(heard, None, 1.0, "bob"), said(heard, 0.5, 0.5, "eve")]
    assert staged(given, *rows) == 2
    found = {one.annotator: (one.arousal, one.valence) for one in given.all()}
    assert found == {"ann": (-1.0, 0.75), "bob": (1.0, 1.0), "eve": (0.5, 0.5)}
    assert staged(given, *rows) == 0
    assert shown(catalogue)[0] == pytest.approx((-1.0 + 1.0 + 0.5) / 3, abs=1e-6)


def test_what_is_staged_is_seen_by_nobody_and_blocks_nobody_until_it_is_added(
    given: AnnotationStore, heard: Clip
) -> None:
    with given.staging() as staging:
        staging.put([(2, said(heard, 0.0, 0.0))])
        assert given.all() == []
        assert given.add([said(heard, 1.0, 1.0, "bob")], NOON) == 1
    assert [one.annotator for one in given.all()] == ["bob"]
    with given.staging() as staging:
        assert staging.repeated(5) == (0, [])


def test_lines_that_repeat_a_person_and_a_sound_are_found(
    given: AnnotationStore, heard: Clip
) -> None:
    with given.staging() as staging:
        staging.put([(line, said(heard, 0.0, 0.0)) for line in (2, 5, 7)])
        staging.put([(9, said(heard, 0.0, 0.0, "bob"))])
        assert staging.repeated(1) == (2, [(5, 2)])


def test_the_tags_that_a_staged_table_moves_are_due(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    tag(catalogue, heard, 50, 50)
    staged(given, said(heard, -0.5, 0.5), origin="table")
    assert [clip.path for clip in catalogue.clips_in(TagState.PENDING)] == [heard.path]
    assert given.was_imported("table")


@pytest.mark.parametrize("bad", [(1.5, 0.0), (0.0, -2.0), (None, None), (float("inf"), 0.0)])
def test_values_out_of_range_are_refused_together(
    catalogue: Catalogue,
    given: AnnotationStore,
    heard: Clip,
    bad: tuple[float | None, float | None],
) -> None:
    with pytest.raises(CatalogueError):
        given.add([said(heard, 0.0, 0.0), said(heard, *bad, annotator="bob")], NOON)
    assert given.all() == []
    assert shown(catalogue)[3] == "test-1"


def tag(catalogue: Catalogue, clip: Clip, arousal: int, valence: int) -> None:
    tagged = Tagged(arousal, valence, "test-1")
    catalogue.tag_journal.record(clip, TagOutcome(TagState.WRITTEN, tagged=tagged))


@pytest.mark.parametrize(
    ("arousal", "due"), [(0.5, "written"), (0.504, "written"), (0.51, "pending")]
)
def test_tags_with_other_values_become_pending(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip, arousal: float, due: str
) -> None:
    tag(catalogue, heard, 50, 50)
    given.add([said(heard, arousal, 0.5)], NOON)
    clip = catalogue.clip_at(heard.path)
    assert clip is not None
    assert clip.tag_state == due
    assert clip.tagged == Tagged(50, 50, "test-1")


def test_tags_that_are_off_stay_off(
    catalogue: Catalogue, given: AnnotationStore, heard: Clip
) -> None:
    catalogue.tag_journal.record(heard, TagOutcome(TagState.OFF, "taken out on request"))
    given.add([said(heard, -1, -1)], NOON)
    clip = catalogue.clip_at(heard.path)
    assert clip is not None
    assert clip.tag_state is TagState.OFF
    assert clip.tagged is None


def test_written_values_are_deleted_when_another_sound_replaces_the_file(
    catalogue: Catalogue, heard: Clip
) -> None:
    tag(catalogue, heard, 50, 50)
    catalogue.queue.put([(heard.path, heard.stamp)], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    same = catalogue.record(entry, heard.identity, TagState.PENDING, NOON, None)
    assert same.tagged == Tagged(50, 50, "test-1")
    record(catalogue, "/m/b.mp3")
    other = catalogue.record(
        entry, "identity of PosixPath('/m/b.mp3')", TagState.PENDING, NOON, None
    )
    assert other.tagged is None


def test_sounds_are_found_by_path_and_by_name(catalogue: Catalogue, given: AnnotationStore) -> None:
    first, second = record(catalogue, "/m/a/x.mp3"), record(catalogue, "/m/b/x.mp3")
    record(catalogue, "/m/b/y.mp3")
    paths = [first.path, Path("/m/unknown.mp3")]
    assert given.sounds_at(paths) == {first.path: first.identity}
    assert given.sounds_named({"x.mp3", "z.mp3"}) == {
        "x.mp3": [(first.path, first.identity), (second.path, second.identity)],
        "z.mp3": [],
    }


def test_the_same_annotation_again_changes_nothing(given: AnnotationStore, heard: Clip) -> None:
    assert given.add([said(heard, 0.25, 0.0)], NOON) == 1
    assert given.add([said(heard, 0.25, None)], NOON + A_MINUTE) == 0
    assert given.changed_since(NOON) == 0


def test_the_view_annotations_has_the_promised_columns(catalogue: Catalogue) -> None:
    columns = columns_outside(catalogue, "annotations")
    assert columns == [column.name for column in fields(Annotation)]
