from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.annotations import GivenAnnotation
from storage.rescoring import OutdatedSound, Rescoring
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.file_stamps import NO_STAMP
from storage.schema.records import Clip, CurvePoint, Prediction, Tagged, TagOutcome, TagState
from storage.schema.sound_filter import SoundFilter
from tests.records import A_MINUTE, NOON, analysis, record, stamp, stamps_of

if TYPE_CHECKING:
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, Sound

OLD, NEW, HEARING = "test-1", "test-2", "test/1"
LATER = NOON + A_MINUTE


@pytest.fixture
def scores(catalogue: Catalogue) -> Rescoring:
    return catalogue.rescoring


def said(arousal: float, valence: float, bundle: str = NEW) -> Prediction:
    return analysis("", arousal, valence, bundle=bundle).prediction


def outdated(scores: Rescoring, size: int = 100) -> list[OutdatedSound]:
    return [each for chunk in scores.outdated_chunks(NEW, HEARING, size) for each in chunk]


def renew(scores: Rescoring, arousal: float, valence: float, step: int = 2) -> int:
    fresh = [(sound, said(arousal, valence)) for sound in outdated(scores)]
    return scores.record(fresh, LATER, step=step)


def tagged(catalogue: Catalogue, path: str, arousal: float, valence: float) -> Clip:
    clip = record(catalogue, path, arousal, valence)
    prediction = catalogue.affect_of(clip.identity)
    assert prediction is not None
    written = TagOutcome(TagState.WRITTEN, None, clip.stamp, Tagged.of(prediction))
    catalogue.tag_journal.record(clip, written)
    return clip


def state_of(catalogue: Catalogue, clip: Clip) -> TagState:
    found = catalogue.clip_at(clip.path)
    assert found is not None
    return found.tag_state


def test_sounds_of_other_bundles_are_outdated_until_they_are_scored(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    assert not scores.any_outdated(NEW)
    for name in "abcde":
        record(catalogue, f"/m/{name}.mp3", 0.1, 0.2)
    assert not scores.any_outdated(OLD)
    assert scores.any_outdated(NEW)
    assert scores.outdated_count(NEW) == 5
    chunks = list(scores.outdated_chunks(NEW, HEARING, 2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert chunks[0][0] == OutdatedSound(
        1, "identity of PosixPath('/m/a.mp3')", NOON, OLD, b"\x01vector"
    )
    assert renew(scores, 0.3, 0.4) == 5
    assert not scores.any_outdated(NEW)
    assert scores.outdated_count(NEW) == 0
    assert outdated(scores) == []


def test_bundles_are_distinguished_on_either_side_of_the_alphabet(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    record(catalogue, "/m/a.mp3")
    for bundle in ("a", "test-0", "test-1.l1", "z"):
        assert scores.any_outdated(bundle)
        assert scores.outdated_count(bundle) == 1


def test_features_of_other_settings_are_left_alone(catalogue: Catalogue, scores: Rescoring) -> None:
    record(catalogue, "/m/a.mp3")
    catalogue.bundles.record(NEW, "", {"hearing": "test/2"})
    assert not scores.any_outdated(NEW)
    assert scores.outdated_count(NEW) == 1
    assert list(scores.outdated_chunks(NEW, "test/2", 10)) == []


def test_files_with_other_features_count_as_changed(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3")
    gone = record(catalogue, "/m/gone.mp3")
    catalogue.mark_missing([gone.path], NOON)
    catalogue.bundles.record(NEW, "", {"hearing": HEARING})
    assert scores.with_other_features() == []
    assert stamps_of(catalogue) == {clip.path: clip.stamp}
    catalogue.bundles.record("test-3", "", {"hearing": "test/2"})
    assert scores.with_other_features() == [clip.id]
    assert stamps_of(catalogue) == {clip.path: NO_STAMP}
    catalogue.bundles.record("test-4", "", {})
    assert scores.with_other_features() == []


def test_files_count_as_changed_by_the_features_of_a_bundle_that_will_be_published(
    catalogue: Catalogue,
) -> None:
    clip = record(catalogue, "/m/a.mp3")
    catalogue.bundles.record(clip_bundle(catalogue, clip), "", {"hearing": HEARING})
    assert stamps_of(catalogue, HEARING) == {clip.path: clip.stamp}
    assert stamps_of(catalogue, "test/2") == {clip.path: NO_STAMP}
    assert catalogue.vector_of(clip.identity, "test/2") is None
    assert catalogue.vector_of(clip.identity, HEARING)
    assert list(catalogue.queries.vectors("test/2")) == []
    assert [path for path, _ in catalogue.queries.vectors(HEARING)] == [clip.path]


def clip_bundle(catalogue: Catalogue, clip: Clip) -> str:
    prediction = catalogue.affect_of(clip.identity)
    assert prediction is not None
    return prediction.bundle


def test_every_value_of_a_prediction_is_recorded(catalogue: Catalogue, scores: Rescoring) -> None:
    clip = record(catalogue, "/m/a.mp3", 0.1, 0.2)
    prediction = Prediction(NEW, 0.3, 0.2, 0.4, -0.5, -0.7, -0.3, 1.25, "voice", 0.8)
    assert scores.record([(outdated(scores)[0], prediction)], LATER, step=2) == 1
    assert catalogue.affect_of(clip.identity) == prediction
    (sound,) = [row.analysed_at for row in _rows(catalogue)]
    assert sound == "2026-01-31T12:01:00.000Z"


def test_the_curve_shifts_with_the_prediction_and_stays_in_range(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    catalogue.queue.put([(Path("/m/a.mp3"), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    curve = [CurvePoint(0.0, 0.25, 0.5), CurvePoint(6.0, -0.5, -0.75)]
    catalogue.record(
        entry, "one", TagState.OFF, NOON, replace(analysis("one", 0.0, 0.0), curve=curve)
    )
    renew(scores, 0.5, -0.5)
    assert catalogue.queries.curve("one") == [
        CurvePoint(0.0, 0.75, 0.0),
        CurvePoint(6.0, 0.0, -1.0),
    ]


def test_tags_are_due_only_where_they_would_differ_by_a_step(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    near, far = tagged(catalogue, "/m/near.mp3", 0.29, 0.41), tagged(catalogue, "/m/far.mp3", 0, 0)
    just = tagged(catalogue, "/m/just.mp3", 0.30, 0.43)
    off = record(catalogue, "/m/off.mp3", -0.9, -0.9)
    catalogue.tag_journal.record(off, TagOutcome(TagState.OFF))
    gone = tagged(catalogue, "/m/gone.mp3", -0.9, -0.9)
    catalogue.mark_missing([gone.path], NOON)
    unknown = tagged(catalogue, "/m/unknown.mp3", 0.30, 0.41)
    catalogue.tag_journal.record(unknown, TagOutcome(TagState.WRITTEN))
    renew(scores, 0.301, 0.409)
    states = [state_of(catalogue, clip) for clip in (near, far, just, off, gone, unknown)]
    assert states == ["written", "pending", "pending", "off", "written", "pending"]


def test_annotated_sounds_keep_their_tags(catalogue: Catalogue, scores: Rescoring) -> None:
    clip = tagged(catalogue, "/m/a.mp3", 0.5, 0.5)
    given = GivenAnnotation(clip.identity, clip.path, "ann", 0.5, 0.5, "command")
    catalogue.annotations.add([given], NOON)
    renew(scores, -0.5, -0.5)
    assert state_of(catalogue, clip) is TagState.WRITTEN


def test_sounds_analysed_or_scored_meanwhile_are_not_overwritten(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    for name in "abc":
        record(catalogue, f"/m/{name}.mp3")
    read = outdated(scores)
    catalogue.queue.put([(Path("/m/a.mp3"), stamp(size=5))], LATER)
    entry = catalogue.queue.claim(LATER)
    assert entry is not None
    fresh = analysis(read[0].identity, 0.7, 0.7)
    catalogue.record(entry, read[0].identity, TagState.PENDING, LATER, fresh)
    scores.record([(read[1], said(0.6, 0.6))], LATER, step=2)
    assert scores.record([(each, said(-0.5, -0.5)) for each in read], LATER, step=2) == 1
    arousals = {row.path.name: row.arousal for row in _rows(catalogue)}
    assert arousals == {"a.mp3": 0.7, "b.mp3": 0.6, "c.mp3": -0.5}
    # A curve never moves twice.
    assert catalogue.queries.curve(read[1].identity)[0].arousal == 0.6
    # What was heard meanwhile by the old bundle has its turn.
    assert [each.identity for each in outdated(scores)] == [read[0].identity]


def test_a_bundle_that_is_not_published_records_nothing(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3", 0.1, 0.1)
    catalogue.bundles.record("test-3", "", {})
    with pytest.raises(
        CatalogueError, match="test-2: cannot record its predictions, since test-3 is published"
    ):
        renew(scores, 0.9, 0.9)
    kept = catalogue.affect_of(clip.identity)
    assert kept is not None
    assert (kept.bundle, kept.arousal) == (OLD, 0.1)


def test_more_sounds_than_one_condition_takes(
    catalogue: Catalogue, scores: Rescoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.sessions._BATCH", 3)
    for number in range(7):
        record(catalogue, f"/m/{number}.mp3")
    assert renew(scores, 0.3, 0.4) == 7


def test_a_sound_with_damaged_features_is_analysed_again(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3", 0.1, 0.1)
    gone = record(catalogue, "/m/gone.mp3")
    catalogue.mark_missing([gone.path], NOON)
    catalogue.bundles.record(NEW, "", {"hearing": HEARING})
    assert scores.analyse_again(outdated(scores), LATER) == 1
    assert not catalogue.is_analysed(clip.identity, HEARING)
    assert catalogue.queued_stamps() == {clip.path: clip.stamp}
    # Until then it is shown as it was, and nobody waits for it.
    assert catalogue.affect_of(clip.identity) is not None
    assert not scores.any_outdated(NEW)
    assert outdated(scores) == []


def test_all_files_of_a_folder_can_be_analysed_again(
    catalogue: Catalogue, scores: Rescoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.rescoring._AT_ONCE", 2)
    paths = ("/m/a.mp3", "/m/b/c.mp3", "/m/b/d.mp3", "/m/gone.mp3", "/mm/e.mp3")
    one, two, three, gone, other = (record(catalogue, path) for path in paths)
    catalogue.mark_missing([gone.path], NOON)
    catalogue.bundles.record(clip_bundle(catalogue, one), "", {"hearing": HEARING})
    everything = partial(scores.analyse_below, now=LATER, is_there=lambda _: True)
    assert everything([Path("/m"), Path("/m/b")]) == 3
    assert catalogue.queued_stamps() == {each.path: each.stamp for each in (one, two, three)}
    # Until then they keep what they have.
    assert all(
        catalogue.is_analysed(each.identity, HEARING) for each in (one, two, three, gone, other)
    )
    assert catalogue.affect_of(two.identity) is not None
    assert not catalogue.is_analysed(two.identity, HEARING, LATER)
    entry = catalogue.queue.claim(LATER)
    assert entry is not None
    assert entry.fresh_since == LATER
    # One that cannot be read keeps what it has, and is still to be analysed when it is tried again.
    catalogue.queue.fail(entry, "cannot be read", LATER)
    assert catalogue.is_analysed(one.identity, HEARING)
    again = catalogue.queue.claim(LATER)
    assert again is not None
    assert (again.attempts, again.fresh_since) == (2, LATER)
    catalogue.queue.put([(one.path, one.stamp)], LATER)
    catalogue.queue.release(again)
    assert catalogue.queue.claim(LATER) == again
    catalogue.queue.release(again)
    assert everything([other.path]) == 1
    assert everything([]) == 0


def test_a_file_whose_disk_is_away_keeps_its_features(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    here, away = (record(catalogue, path) for path in ("/m/a.mp3", "/m/disk/b.mp3"))
    catalogue.bundles.record(clip_bundle(catalogue, here), "", {"hearing": HEARING})
    found = scores.analyse_below([Path("/m")], LATER, is_there=lambda path: path == here.path)
    assert found == 1
    assert catalogue.queued_stamps() == {here.path: here.stamp}
    assert away.path not in catalogue.queued_stamps()


def _rows(catalogue: Catalogue) -> list[Sound]:
    return catalogue.queries.sounds(SoundFilter())


def test_tags_that_were_written_while_the_values_changed_are_due_again(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3", 0.5, 0.5)
    before = catalogue.affect_of(clip.identity)
    assert before is not None
    assert renew(scores, 0.0, 0.5) == 1
    assert not catalogue.tag_journal.record(
        clip, TagOutcome(TagState.WRITTEN, tagged=Tagged.of(before))
    )
    assert state_of(catalogue, clip) is TagState.PENDING
    after = catalogue.affect_of(clip.identity)
    assert after is not None
    assert catalogue.tag_journal.record(clip, TagOutcome(TagState.WRITTEN, tagged=Tagged.of(after)))
    assert state_of(catalogue, clip) is TagState.WRITTEN


def test_copies_of_a_sound_that_was_analysed_again_get_its_values(catalogue: Catalogue) -> None:
    first, rated = (tagged(catalogue, f"/m/{name}.mp3", 0.5, 0.5) for name in ("a", "rated"))
    copies = [copy_of(catalogue, first, f"/m/{name}.mp3") for name in ("same", "off", "gone")]
    rated_copy = copy_of(catalogue, rated, "/m/rated copy.mp3")
    catalogue.tag_journal.record(copies[1], TagOutcome(TagState.OFF))
    catalogue.mark_missing([copies[2].path], NOON)
    given = GivenAnnotation(rated.identity, rated.path, "ann", 0.5, 0.5, "command")
    catalogue.annotations.add([given], NOON)
    analyse_anew(catalogue, first, 0.5, 0.5)
    assert [state_of(catalogue, copy) for copy in copies] == ["written", "off", "written"]
    for clip in (first, rated):
        analyse_anew(catalogue, clip, -0.5, 0.5)
    assert [state_of(catalogue, copy) for copy in copies] == ["pending", "off", "written"]
    assert state_of(catalogue, rated_copy) is TagState.WRITTEN


def copy_of(catalogue: Catalogue, clip: Clip, path: str) -> Clip:
    catalogue.queue.put([(Path(path), stamp())], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    copy = catalogue.record(entry, clip.identity, TagState.PENDING, NOON, None)
    values = catalogue.affect_of(clip.identity)
    assert values is not None
    catalogue.tag_journal.record(
        copy, TagOutcome(TagState.WRITTEN, None, copy.stamp, Tagged.of(values))
    )
    return copy


def analyse_anew(catalogue: Catalogue, clip: Clip, arousal: float, valence: float) -> None:
    catalogue.rescoring.analyse_below([clip.path], LATER, is_there=lambda _: True)
    entry = catalogue.queue.claim(LATER)
    assert entry is not None
    found = analysis(clip.identity, arousal, valence)
    catalogue.record(entry, clip.identity, TagState.PENDING, LATER, found)


def test_a_file_that_waits_already_keeps_its_newer_stamp(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3")
    catalogue.queue.put([(clip.path, stamp(size=101))], NOON)
    assert scores.analyse_below([clip.path], LATER, is_there=lambda _: True) == 1
    entry = catalogue.queue.claim(LATER)
    assert entry is not None
    assert (entry.stamp, entry.fresh_since) == (stamp(size=101), LATER)


def test_a_file_is_analysed_again_although_it_is_just_being_recorded(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3")
    catalogue.queue.put([(clip.path, stamp(size=101))], NOON)
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    scores.analyse_below([clip.path], LATER, is_there=lambda _: True)
    assert catalogue.queue.claim(LATER) is None
    catalogue.record(entry, clip.identity, TagState.OFF, NOON, None)
    again = catalogue.queue.claim(LATER)
    assert again is not None
    assert again.fresh_since == LATER
    catalogue.record(again, clip.identity, TagState.OFF, LATER, None)
    assert catalogue.queued_stamps() == {}


def test_others_can_write_while_a_slow_disk_is_asked_for_its_files(
    catalogue: Catalogue, scores: Rescoring
) -> None:
    clip = record(catalogue, "/m/a.mp3")

    def asked(path: Path) -> bool:
        with ThreadPoolExecutor(1) as other:
            other.submit(catalogue.queue.put, [(Path("/m/new.mp3"), stamp())], NOON).result(20)
        return path == clip.path

    assert scores.analyse_below([Path("/m")], LATER, is_there=asked) == 1
    assert len(catalogue.queued_stamps()) == 2
