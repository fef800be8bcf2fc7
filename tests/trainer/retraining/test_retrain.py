from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.trainer.bundles.made_bundles import pristine, sign, small
from tests.trainer.personal.listeners import Taste, annotated, halves_of_the_starter, write_base
from tests.trainer.regression.rated import HEARING, small_draft, small_table
from trainer.bundles import bundle, registry
from trainer.evaluation.scores import rmse
from trainer.features.vector_codec import rounded
from trainer.personal.annotation_arrays import AnnotationArrays
from trainer.personal.comparison import PartCompared
from trainer.regression.joint import JointRegression
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.training_table import decode_table
from trainer.retraining import rejected
from trainer.retraining.refit import BaseRegression, _leeways, _worst_fall, join_tables, refit_with
from trainer.retraining.retrain import retrain
from trainer.trainer_errors import BundleError, TooFewAnnotations, TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

__all__ = ["pristine", "small"]  # fixtures, which pytest finds by name

CONTRARY = Taste(offset=(0.25, -0.25), gain=1.2, inverted="vgmidi")


@dataclass(frozen=True)
class Library:
    """Sounds that the bundle in service was not fitted on, in an order drawn once."""

    pristine: Path
    sounds: TrainingTable
    order: NDArray[np.intp]

    def test_rows(self) -> NDArray[np.intp]:
        return self.order[:200]

    def rated_rows(self, count: int) -> NDArray[np.intp]:
        return self.order[200 : 200 + count]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    pristine = tmp_path_factory.mktemp("registry")
    fitted, sounds = halves_of_the_starter(seed=4)
    # The valence of voices and everyday sounds is hardly predicted: there, what annotations teach
    # cannot be told from a constant, which is not published.
    sounds = sounds.subset(sounds.domain == "music")
    write_base(pristine, fitted)
    registry.publish(pristine, "base-1")
    return Library(pristine, sounds, np.random.default_rng(4).permutation(len(sounds)))


@pytest.fixture
def registry_dir(library: Library, tmp_path: Path) -> Path:
    """Return a registry that a test may change."""
    directory = tmp_path / "bundles"
    shutil.copytree(library.pristine, directory, symlinks=True)
    sign(directory / "base-1")
    return directory


def errors(
    registry_dir: Path, name: str, library: Library, ratings: NDArray[np.float64]
) -> tuple[float, float, float]:
    """RMSE of arousal, of valence and of both on the sounds that were not annotated."""
    rows = library.test_rows()
    predicted = bundle.load(registry_dir / name).predict(library.sounds.vectors[rows])
    both = np.stack([predicted.arousal, predicted.valence], axis=1)
    return (
        rmse(ratings[rows, 0], both[:, 0]),
        rmse(ratings[rows, 1], both[:, 1]),
        rmse(ratings[rows], both),
    )


def test_sixty_annotations_of_a_consistent_listener_take_a_third_off_the_error(
    registry_dir: Path, library: Library
) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    before = errors(registry_dir, "base-1", library, ratings)
    outcome = retrain(
        registry_dir, annotated(library.sounds, ratings, library.rated_rows(60)), seed=1
    )
    after = errors(registry_dir, outcome.name, library, ratings)
    assert outcome.published
    assert registry.published_bundle(registry_dir).name == outcome.name
    assert after[2] <= 0.7 * before[2]
    assert after[0] < before[0]
    assert after[1] < before[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sixty_random_annotations_are_not_published(
    registry_dir: Path, library: Library, seed: int
) -> None:
    dice = np.random.default_rng(seed).uniform(-1.0, 1.0, (len(library.sounds), 2))
    outcome = retrain(
        registry_dir, annotated(library.sounds, dice, library.rated_rows(60)), seed=seed
    )
    assert not outcome.published
    assert registry.published_bundle(registry_dir).name == "base-1"
    manifest = registry.list_bundles(registry_dir)[outcome.name]
    assert not isinstance(manifest, BundleError)
    assert manifest.comparison == outcome.comparison


def test_five_annotations_are_too_few_for_the_test(registry_dir: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    outcome = retrain(
        registry_dir, annotated(library.sounds, ratings, library.rated_rows(5)), seed=1
    )
    assert not outcome.published
    assert registry.published_bundle(registry_dir).name == "base-1"


def test_none_is_an_error(registry_dir: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    with pytest.raises(TooFewAnnotations, match="nothing is annotated"):
        retrain(registry_dir, annotated(library.sounds, ratings, library.rated_rows(0)), seed=1)
    assert sorted(registry.list_bundles(registry_dir)) == ["base-1"]


def test_what_was_learned_is_kept_dimension_by_dimension(
    registry_dir: Path, library: Library
) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    rows = library.rated_rows(60)
    ratings[rows, 1] = np.random.default_rng(8).uniform(-1.0, 1.0, len(rows))
    outcome = retrain(registry_dir, annotated(library.sounds, ratings, rows), seed=1)
    arousal, valence = outcome.comparison.dimensions
    assert (arousal.passed, valence.passed, outcome.published) == (True, False, True)
    taught, base = bundle.load(registry_dir / outcome.name), bundle.load(registry_dir / "base-1")
    assert taught.personal is not None
    assert taught.personal.valence is None
    predicted, before = (each.predict(library.sounds.vectors[:50]) for each in (taught, base))
    # Where arrays begin in memory changes the last digits of sums.
    np.testing.assert_allclose(predicted.valence, before.valence, rtol=0, atol=1e-5)
    assert not np.allclose(predicted.arousal, before.arousal)


def test_the_same_annotations_are_not_published_twice_and_the_corpora_figures_stay(
    registry_dir: Path, library: Library
) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    annotations = annotated(library.sounds, ratings, library.rated_rows(60))
    first = retrain(registry_dir, annotations, seed=1)
    again = retrain(registry_dir, annotations, seed=2)
    assert first.published
    assert not again.published
    assert again.comparison.yardstick == first.name
    assert registry.published_bundle(registry_dir).name == first.name
    manifests = registry.list_bundles(registry_dir)
    held_out = [
        manifest.held_out
        for manifest in manifests.values()
        if not isinstance(manifest, BundleError)
    ]
    assert len(manifests) == 3
    assert held_out == [held_out[0]] * 3
    # The regression below is the very one that these figures are about.
    assert (registry_dir / "base-1" / bundle.REGRESSION).read_bytes() == (
        registry_dir / first.name / bundle.REGRESSION
    ).read_bytes()
    assert registry.rollback(registry_dir) == "base-1"
    assert registry.rollback(registry_dir) == first.name


def test_sounds_that_the_regression_was_fitted_on_tell_nothing(registry_dir: Path) -> None:
    fitted, _ = halves_of_the_starter(seed=4)
    ratings = CONTRARY.ratings(fitted, seed=1)
    outcome = retrain(registry_dir, annotated(fitted, ratings, np.arange(40)), seed=1)
    assert outcome.comparison.left_out == 40
    assert not outcome.published
    assert "0 annotations are too few for a test" in outcome.reason
    assert "40 annotated sounds are left out: the regression was fitted on them." in outcome.reason


def test_another_file_of_a_fitted_recording_tells_nothing_either(registry_dir: Path) -> None:
    fitted, _ = halves_of_the_starter(seed=4)
    drawing = np.random.default_rng(1)
    changed = fitted.vectors * (1 + 0.003 * drawing.normal(size=fitted.vectors.shape))
    copies = dataclasses.replace(fitted, vectors=rounded(changed.astype(np.float32)))
    ratings = CONTRARY.ratings(fitted, seed=1)
    outcome = retrain(registry_dir, annotated(copies, ratings, np.arange(40)), seed=1)
    assert outcome.comparison.left_out == 40
    assert not outcome.published


def test_random_annotations_of_recordings_in_two_files_each_are_not_published(
    registry_dir: Path, library: Library
) -> None:
    """A fold with one file would be predicted from the other, which somebody rated alike."""
    rows = library.rated_rows(40)
    dice = np.random.default_rng(1).uniform(-1.0, 1.0, (len(library.sounds), 2))
    once = annotated(library.sounds, dice, rows)
    elsewhere = dataclasses.replace(
        once,
        group=np.char.add(once.group, " as another file"),
        folder=np.char.add(once.folder, " elsewhere"),
    )
    twice = AnnotationArrays(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in (once, elsewhere)])
            for each in dataclasses.fields(AnnotationArrays)
        }
    )
    outcome = retrain(registry_dir, twice, seed=1)
    assert not outcome.published, outcome.reason
    assert outcome.comparison.dimensions[0].groups == 40


def test_new_corpora_of_known_clips_are_named_and_held_out_with_them() -> None:
    table = small_table()
    copies = table.subset(np.arange(60))
    drawing = np.random.default_rng(1)
    copies = dataclasses.replace(
        copies,
        corpus=np.full(60, "copies"),
        group=np.array([f"copies:{i}" for i in range(60)]),
        ratings=drawing.uniform(-1.0, 1.0, (60, 2)),
    )
    joined = join_tables(table, [copies])
    assert joined.table.group[-60:].tolist() == table.group[:60].tolist()
    base = BaseRegression(bundle.Bundle(small_draft(table), JointRegression().fit(table)), table)
    compared = refit_with(base, [copies], seed=1).compared
    assert compared is not None
    assert not compared.passed
    told = "60 clips of copies are also in songs (music/0.opus is music/0.opus, …)"
    assert compared.repeated == [told]
    assert compared.verdict.endswith(f"Held out together: {told}.")


def test_on_request_nothing_is_published(registry_dir: Path, library: Library) -> None:
    ratings = CONTRARY.ratings(library.sounds, seed=1)
    annotations = annotated(library.sounds, ratings, library.rated_rows(60))
    outcome = retrain(registry_dir, annotations, seed=1, publish=False, name="by-hand")
    assert (outcome.name, outcome.published, outcome.comparison.passed) == ("by-hand", False, True)
    assert registry.published_bundle(registry_dir).name == "base-1"
    registry.publish(registry_dir, "by-hand")
    assert registry.previous(registry_dir) == "base-1"


class TestSmallRegistry:
    """What does not depend on sound is tried on a bundle of thirty descriptors."""

    @pytest.fixture
    def in_service(self, small: Path, tmp_path: Path) -> Path:
        directory = tmp_path / "state" / "bundles"
        registry.install_starter(directory, shipped=small, feature_key=HEARING)
        registry.publish(directory, "small-1", feature_key=HEARING)
        return directory

    @pytest.fixture
    def annotations(self) -> AnnotationArrays:
        heard = small_table(seed=9)
        return AnnotationArrays(
            vectors=heard.vectors[:40],
            ratings=np.clip(heard.ratings[:40] + 0.4, -1.0, 1.0),
            raters=np.ones(40, dtype=np.intp),
            group=heard.path[:40],
            folder=heard.group[:40],
        )

    def test_two_at_once_are_one_too_many(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        code = (
            "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", code, str(in_service / "retraining.lock")]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(TrainingError, match="another retraining is under way"):
                retrain(in_service, annotations, seed=1, feature_key=HEARING)
            other.kill()
        # Its lock ended with it.
        assert retrain(in_service, annotations, seed=1, feature_key=HEARING).published

    def test_killed_while_it_writes_the_old_stays_and_the_next_run_cleans_up(
        self, in_service: Path, annotations: AnnotationArrays, tmp_path: Path
    ) -> None:
        np.savez(tmp_path / "a.npz", v=annotations.vectors, r=annotations.ratings)
        code = (
            "import sys, numpy as np; from pathlib import Path;"
            "from trainer.files import atomic_dir;"
            "from trainer.personal.annotation_arrays import AnnotationArrays;"
            "from trainer.retraining.retrain import retrain;"
            "a = np.load(sys.argv[2]); n = len(a['v']);"
            "sys.addaudithook(lambda event, _: event == 'os.rename' and"
            " (print('writing', flush=True), sys.stdin.read()));"
            "retrain(Path(sys.argv[1]), AnnotationArrays(vectors=a['v'], ratings=a['r'],"
            " raters=np.ones(n, int), group=np.arange(n).astype(str),"
            " folder=np.full(n, 'a')), seed=1,"
            f" feature_key={HEARING!r})"
        )
        command = [sys.executable, "-c", code, str(in_service), str(tmp_path / "a.npz")]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == b"writing\n"
            run.kill()
        assert (in_service / registry.STAGING).is_dir()
        assert registry.published_bundle(in_service, feature_key=HEARING).name == "small-1"
        assert sorted(registry.list_bundles(in_service, feature_key=HEARING)) == ["small-1"]
        outcome = retrain(in_service, annotations, seed=1, feature_key=HEARING)
        assert outcome.name == "learned-1"
        assert outcome.published
        assert sorted(entry.name for entry in in_service.iterdir()) == [
            "current", "history", "learned-1", "retraining.lock", "small-1",
        ]  # fmt: skip

    def test_only_the_latest_are_kept(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        for seed in range(4):
            retrain(in_service, annotations, seed=seed, keep=1, feature_key=HEARING)
        # In service, before it, and the one latest beside them.
        assert sorted(registry.list_bundles(in_service, feature_key=HEARING)) == [
            "learned-1", "learned-4", "small-1",
        ]  # fmt: skip

    def test_a_name_that_is_taken_or_none_is_refused(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        for name in ("small-1", "../elsewhere", ".hidden", "", "a/b", "A"):
            with pytest.raises((TrainingError, BundleError)) as caught:
                retrain(in_service, annotations, seed=1, name=name, feature_key=HEARING)
            assert "\n" not in str(caught.value)
        assert sorted(registry.list_bundles(in_service, feature_key=HEARING)) == ["small-1"]

    def test_vectors_of_other_descriptors_are_refused(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        shorter = dataclasses.replace(annotations, vectors=annotations.vectors[:, :29])
        with pytest.raises(TrainingError, match="29 descriptors"):
            retrain(in_service, shorter, seed=1, feature_key=HEARING)

    def test_a_corpus_that_teaches_something_new_comes_into_the_regression(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        new = [more_music(clips=200)]
        outcome = retrain(in_service, annotations, new, seed=1, feature_key=HEARING)
        assert outcome.comparison.corpora is not None
        assert outcome.comparison.corpora.passed
        assert outcome.published
        taught = bundle.load(in_service / outcome.name, feature_key=HEARING)
        assert [part.corpus for part in taught.manifest.fitted_on] == ["songs", "drums"]
        assert {row.part for row in taught.manifest.held_out} >= {"drums", "songs", "noises"}
        drums = more_music(seed=23)
        before = bundle.load(in_service / "small-1", feature_key=HEARING)
        errors = [
            rmse(drums.ratings, each.regression.predict(drums.vectors)) for each in (taught, before)
        ]
        assert errors[0] < errors[1]

    def test_class_norms_are_told_and_not_judged(self, in_service: Path) -> None:
        service, own = bundle.load(in_service / "small-1", feature_key=HEARING), small_table()
        own = dataclasses.replace(own, weight=np.where(own.domain == "sound", 0.4, own.weight))
        compared = refit_with(BaseRegression(service, own), [more_music()], seed=1).compared
        assert compared is not None
        assert {part.part: part.bounded for part in compared.parts} == {
            "songs": True,
            "noises": False,
            "all music": True,
            "all sound": False,
        }
        assert all(part.r2_candidate is not None for part in compared.parts)

    @pytest.mark.parametrize(("weight", "leeway"), [(0.1, 1.0), (0.9, 108 / 80), (9.0, 3.0)])
    def test_ratings_that_outweigh_the_old_ones_may_cost_them_more(
        self, weight: float, leeway: float
    ) -> None:
        new = dataclasses.replace(more_music(), weight=np.full(120, weight))
        found = _leeways(*join_tables(small_table(), [new])[:2])
        assert found == pytest.approx({"music": leeway, "voice": 1.0, "sound": 1.0})

    def test_ratings_of_music_give_no_leave_to_forget_sounds(self) -> None:
        own, is_new = small_table(), np.arange(140) < 20
        leeways = _leeways(own, is_new)
        assert leeways == {"music": 1.0, "voice": 1.0, "sound": 1.0}
        heavy = dataclasses.replace(own, weight=np.where(is_new, 9.0, own.weight))
        assert _leeways(heavy, is_new) == leeways | {"music": 3.0}
        fallen = {"music": [part(0.5, 0.4)], "sound": [part(0.5, 0.45)]}
        assert _worst_fall(fallen, {"music": 3.0, "sound": 1.0}) == pytest.approx((0.05, 0.05, 1.0))
        assert _worst_fall({kind: [] for kind in leeways}, leeways) == (0.0, 0.0, 1.0)

    def test_what_comes_in_leaves_the_scale_as_it_was(self, in_service: Path) -> None:
        service = bundle.load(in_service / "small-1", feature_key=HEARING)
        own = small_table(music=120)
        far = dataclasses.replace(more_music(), vectors=more_music().vectors * 50)
        refitted = refit_with(BaseRegression(service, own), [far], seed=1)
        scale = refitted.bundle.regression.kernel_.scale
        of_own = QuantileScale(own.vectors)
        np.testing.assert_array_equal(scale.quantiles, of_own.quantiles)
        assert refitted.table.sets_scale.tolist() == [True] * len(own) + [False] * len(far)
        again = decode_table(refitted.table.encoded(), "")
        np.testing.assert_array_equal(again.sets_scale, refitted.table.sets_scale)

    def test_few_clips_do_not_set_the_scale_for_many(self, in_service: Path) -> None:
        service = bundle.load(in_service / "small-1", feature_key=HEARING)
        base = BaseRegression(service, small_table(music=60, sounds=20))
        refitted = refit_with(base, [more_music()], seed=1)
        scale, table = refitted.bundle.regression.kernel_.scale, refitted.table
        of_all = QuantileScale(table.vectors)
        np.testing.assert_array_equal(scale.quantiles, of_all.quantiles)

    def test_corpora_are_enough_and_one_that_is_known_is_not_new(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        none, new = annotations.subset(np.arange(0)), [more_music(clips=200)]
        outcome = retrain(in_service, none, new, seed=1, feature_key=HEARING)
        assert outcome.published
        with pytest.raises(TooFewAnnotations, match="fitted on every corpus already"):
            retrain(in_service, none, new, seed=1, feature_key=HEARING)
        again = retrain(in_service, annotations, new, seed=1, feature_key=HEARING)
        assert again.comparison.corpora is None

    def test_a_corpus_of_dice_stays_out_and_the_layer_comes_in(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        outcome = retrain(in_service, annotations, [corpus_of_dice()], seed=1, feature_key=HEARING)
        assert outcome.comparison.corpora is not None
        assert not outcome.comparison.corpora.passed
        assert outcome.published
        taught = bundle.load(in_service / outcome.name, feature_key=HEARING)
        assert [part.corpus for part in taught.manifest.fitted_on] == ["songs"]
        assert taught.personal is not None

    def test_what_was_refused_is_not_compared_again_until_something_is_other(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        none = annotations.subset(np.arange(0))
        corpus = corpus_of_dice()
        first = retrain(in_service, none, [corpus], seed=1, feature_key=HEARING)
        assert not first.published
        with pytest.raises(TooFewAnnotations, match=f"before with {first.name}, so not compared"):
            retrain(in_service, none, [corpus], seed=1, feature_key=HEARING)
        layer = retrain(in_service, annotations, [corpus], seed=1, feature_key=HEARING)
        assert layer.published
        assert f"rejected before with {first.name}" in layer.reason
        assert layer.comparison.corpora == first.comparison.corpora
        # Published is a layer: the regression that the corpus was refused by is still the same.
        with pytest.raises(TooFewAnnotations, match="not compared again"):
            retrain(in_service, none, [corpus], seed=1, feature_key=HEARING)
        other = dataclasses.replace(corpus, ratings=-corpus.ratings)
        for corpora, seed in (([other], 1), ([corpus], 2)):
            fresh = retrain(in_service, none, corpora, seed=seed, feature_key=HEARING)
            assert "not compared again" not in fresh.reason
        rejected.forget_rejected(in_service)
        assert not retrain(in_service, none, [corpus], seed=1, feature_key=HEARING).published

    @pytest.mark.parametrize(
        "content", [b"", b"{}", b"[1]", b"[" * 100_000, b'[{"corpora": "x"}]', b"\xff" * 99]
    )
    def test_a_damaged_memory_of_what_was_refused_costs_work_and_nothing_else(
        self, in_service: Path, annotations: AnnotationArrays, content: bytes
    ) -> None:
        (in_service / rejected.FILE).write_bytes(content)
        assert rejected.find_rejected(in_service, "x", "y") is None
        none = annotations.subset(np.arange(0))
        retrain(in_service, none, [corpus_of_dice()], seed=1, feature_key=HEARING)
        with pytest.raises(TooFewAnnotations, match="not compared again"):
            retrain(in_service, none, [corpus_of_dice()], seed=1, feature_key=HEARING)

    def test_a_corpus_of_other_descriptors_is_refused(
        self, in_service: Path, annotations: AnnotationArrays
    ) -> None:
        corpus = more_music()
        corpus = dataclasses.replace(corpus, vectors=corpus.vectors[:, :29])
        with pytest.raises(TrainingError, match="corpus drums: 29 descriptors, not 30"):
            retrain(in_service, annotations, [corpus], seed=1, feature_key=HEARING)
        assert sorted(registry.list_bundles(in_service, feature_key=HEARING)) == ["small-1"]


def more_music(seed: int = 21, clips: int = 120) -> TrainingTable:
    """Return a corpus that follows the rules of the music that is known."""
    table = small_table(music=clips, sounds=0, seed=seed)
    return dataclasses.replace(
        table, corpus=np.full(clips, "drums"), group=np.array([f"drum {i}" for i in range(clips)])
    )


def part(before: float, after: float) -> PartCompared:
    """Return what became of a part that counts."""
    return PartCompared(
        part="songs",
        dimension="arousal",
        clips=80,
        groups=40,
        r2_in_service=before,
        r2_candidate=after,
        bounded=True,
    )


def corpus_of_dice() -> TrainingTable:
    """Return a corpus whose ratings know nothing of its sounds."""
    corpus = more_music()
    dice = np.random.default_rng(4).uniform(-1.0, 1.0, corpus.ratings.shape)
    return dataclasses.replace(corpus, ratings=dice)
