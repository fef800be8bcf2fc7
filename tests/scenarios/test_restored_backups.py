"""Restored backups: a stranger's runs no code in any command, our own predicts as before."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.driving import Valenced
from tests.scenarios.test_upgrade import Release
from tests.sounds import music_like, write_audio
from tests.trainer.bundles.made_bundles import Trap
from trainer.bundles.bundle import MANIFEST, PERSONAL, REGRESSION, SHIPPED, TABLE
from trainer.bundles.installation_key import CODE
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STARTER = SHIPPED.name
SHIPPED_FILES = {file.name: file.read_bytes() for file in SHIPPED.iterdir()}


def few_clips(content: bytes) -> bytes:
    """Return a table of one clip in four of another's, which is fitted sooner."""
    table = decode_table(content, STARTER)
    return table.subset(np.arange(0, len(table), 4)).encoded()


def of_objects(content: bytes, trap: Trap) -> bytes:
    """Return an npz archive whose arrays are pickles, under the names of another archive's."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        columns: dict[str, Any] = dict.fromkeys(arrays.files, np.array([trap], dtype=object))
    stream = io.BytesIO()
    np.savez(stream, **columns)
    return stream.getvalue()


def bundle_of(name: str, files: Mapping[str, bytes], **said: Any) -> dict[str, bytes]:
    """Return the members of a bundle whose manifest has the right checksums."""
    listed = {each: hashlib.sha256(raw).hexdigest() for each, raw in files.items() if each != CODE}
    document = json.loads(SHIPPED_FILES[MANIFEST]) | {"name": name, "files": listed} | said
    members = {**files, MANIFEST: json.dumps(document).encode()}
    return {f"bundles/{name}/{each}": raw for each, raw in members.items()}


def strangers_bundles(mark: Path) -> dict[str, bytes]:
    """Return bundles with a trap in every place in which there could be a pickle."""
    trap = Trap(mark)
    bomb, table = pickle.dumps(trap), few_clips(SHIPPED_FILES[TABLE])
    objects = of_objects(table, trap)
    extra = {"model.pkl": bomb, "cache.joblib": bomb, "sitecustomize.py": b"open('sprung', 'w')"}
    sound = {REGRESSION: bomb, TABLE: table, CODE: b"0" * 64, **extra}
    members = bundle_of("starter-6", sound)
    members |= bundle_of("starter-6.refit-1", sound, refitted_from={"name": "starter-4"})
    members |= bundle_of("learned-1", {REGRESSION: bomb, TABLE: table, PERSONAL: objects})
    members |= bundle_of("learned-2", {REGRESSION: bomb, TABLE: objects})
    members["bundles/history"] = b"learned-1\nlearned-2\nstarter-6\n"
    return members


def written(archive: Path, members: Mapping[str, bytes]) -> None:
    with tarfile.open(archive, "w:") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive.chmod(0o600)


def label(bundle: str) -> bytes:
    return json.dumps({"made_at": "x", "bundle": bundle, "corpora": 0, "format": 1}).encode()


def every_command(music: Path, folder: Path) -> Sequence[Sequence[str | Path]]:
    """Return each command of the program, in an order in which each has something to do."""
    sound, table = music / "a.flac", folder / "annotations.csv"
    table.write_text(f"path,arousal,valence\n{sound},0.5,0.5\n")
    strange = ("learned-1", "learned-2", "starter-6.refit-1")
    few = ("--corpora", "vgmidi", "--experiment", "single-domain", "--regression", "elasticnet")
    return [
        ["check"], ["status"], ["bundles", "list"], ["bundles", "show"], ["bundles", "rollback"],
        *(["bundles", what, name] for name in strange for what in ("show", "publish")),
        ["bundles", "publish", "starter-6"],
        ["scan", music], ["show", sound], ["query"], ["query", "--like", sound],
        ["annotate", sound, "--arousal", "0.1", "--valence", "0.2"], ["annotate", "--from", table],
        ["review"], ["corpus", "list"], ["corpus", "add", "manifest", folder],
        ["corpus", "remove", "manifest"], ["train"],
        ["evaluate", *few, "--folds", "2", "--repeats", "1", "--output", folder / "report"],
        *(["tags", what, music] for what in ("show", "write", "strip", "restore")),
        ["retry"], ["config", "show"], ["config", "path"], ["backup", folder / "own.tar"],
        ["install", "--root", folder / "root"], ["uninstall", "--root", folder / "root"],
    ]  # fmt: skip


def test_a_strangers_backup_runs_no_code_in_any_command(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    write_audio(music / "a.flac", music_like(2))
    sprung, archive = tmp_path / "sprung", tmp_path / "stranger.tar"
    other = Valenced(tmp_path / "stranger")
    other("scan", music, "--no-tags")
    written(
        archive,
        {
            "valenced-backup.json": label("starter-6"),
            "catalogue.db": other.catalogue.read_bytes(),
            **strangers_bundles(sprung),
        },
    )
    valenced("restore", archive)
    (tmp_path / "work").mkdir()
    write_audio(music / "b.flac", music_like(2, seed=1))
    with valenced.start("run", music) as service:
        service.wait_for("published bundle: starter-6.refit-")
        service.wait_for("b.flac", "arousal")
        assert service.stop() == 0
    assert "fitted again" in "\n".join(service.lines)
    for line in every_command(music, tmp_path / "work"):
        done = valenced.ended(*line)
        assert b"unexpected" not in done.stderr, done
        assert b"Traceback" not in done.stderr, done
        assert not sprung.exists(), done


def stacked(release: Release, archive: Path) -> None:
    """Write the backup that release 0.1.0 made of this state."""
    members = {
        "valenced-backup.json": label("learned-1"),
        "catalogue.db": (release.state / "catalogue.db").read_bytes(),
        "bundles/history": (release.state / "bundles" / "history").read_bytes(),
    }
    for top in ("bundles", "corpora"):
        for file in sorted((release.state / top).glob("*/*")):
            if not file.parent.is_symlink():
                members[str(file.relative_to(release.state))] = file.read_bytes()
    assert f"bundles/learned-1/{REGRESSION}" in members
    written(archive, members)


def predicted(restored: Valenced, bundle: str) -> dict[str, tuple[float, float]]:
    rows = restored.read("query")
    return {
        Path(row["path"]).name: (row["arousal"], row["valence"])
        for row in rows
        if row["bundle"] == bundle
    }


def test_our_own_backups_predict_as_before_and_keep_the_personal_layer(tmp_path: Path) -> None:
    release = Release(tmp_path / "old")
    stacked(release, tmp_path / "old.tar")
    restored = Valenced(tmp_path / "restored")
    restored("restore", tmp_path / "old.tar")
    assert not list((tmp_path / "restored").rglob(REGRESSION))
    restored("scan", release.music)
    first = predicted(restored, "learned-1.refit-1")
    for name in release.originals:
        # By another recipe, as in the upgrade; a backup of the same release predicts the same.
        assert first[name] == pytest.approx(release.values(name), abs=0.4)
    fitted = tmp_path / "restored" / "bundles" / "learned-1.refit-1"
    assert (fitted / PERSONAL).read_bytes() == (
        release.state / "bundles" / "learned-1" / PERSONAL
    ).read_bytes()
    # A second time, now of this release.
    restored("backup", tmp_path / "new.tar")
    with tarfile.open(tmp_path / "new.tar") as tar:
        assert not [name for name in tar.getnames() if name.endswith((REGRESSION, CODE))]
    again = Valenced(tmp_path / "again")
    again("restore", tmp_path / "new.tar")
    again("scan", release.music)
    second = predicted(again, "learned-1.refit-2")
    for name in release.originals:
        assert second[name] == pytest.approx(first[name], abs=1e-4)
    assert [row["name"] for row in again.read("corpus", "list")] == ["manifest"]
    # The bundle before the restored one can be published, too.
    again("bundles", "rollback")
    assert "starter-2.refit-1 is published" in again.stderr
