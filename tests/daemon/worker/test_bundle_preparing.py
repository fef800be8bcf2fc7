"""Publishing a bundle by a worker that is killed when it takes too long."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.system.sd_notify import Notifier
from daemon.worker.bundle_preparing import BundlePreparer
from daemon.worker.worker_client import WorkerClient
from tests.records import WORKER_LIMITS
from trainer.bundles.registry import install_starter, published_name
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bundle_is_published_by_name_or_as_it_is(tmp_path: Path) -> None:
    starter = install_starter(tmp_path)
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        prepare = BundlePreparer(worker, Notifier())
        directory, manifest = prepare(tmp_path, starter)
        assert directory == tmp_path / starter
        assert prepare(tmp_path) == (directory, manifest)
        with pytest.raises(BundleError, match="nowhere"):
            prepare(tmp_path, "nowhere")
        with pytest.raises(BundleError, match=r"'\.\./\.\.' is not the name of a bundle"):
            prepare(tmp_path, "../..")
    assert published_name(tmp_path) == starter


def test_a_fit_that_takes_too_long_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.worker.worker_client.PREPARE_LIMIT_S", 1e-4)
    with closing(WorkerClient(WORKER_LIMITS)) as worker:
        prepare = BundlePreparer(worker, Notifier())
        with pytest.raises(BundleError, match=r"no bundle can be prepared: .*no result within"):
            prepare(tmp_path)
