"""Has the tags of files parsed by a worker process."""

from __future__ import annotations

import fcntl
import os
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.tagging.basics.packed_pieces import packed
from daemon.worker.tag_answers import items_in, plan_in, proof_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import Claim, TagJob, TagPlan
    from daemon.tagging.disk.source import SourceFile
    from daemon.worker.sound_reader import SoundReader

_Value = TypeVar("_Value")


class TagClient:
    """A `TagParser`; its methods raise as those of that do.

    Args:
        worker: does the work.
    """

    def __init__(self, worker: SoundReader) -> None:
        self._worker = worker

    def read_tags(self, source: SourceFile) -> Items:
        """Return every item of ours, whichever preset wrote it."""
        return self._ask(source, items_in, {"do": "tags_read"})

    def plan_tags(self, source: SourceFile, job: TagJob) -> TagPlan:
        """Plan an edit; nothing is written."""
        parse = partial(plan_in, size=source.view.size)
        return self._ask(source, parse, request_of(job))

    def prove_tags(self, source: SourceFile, copy: int, claim: Claim) -> str:
        """Compare a copy with its original, both open; return the hash of the copy's sound."""
        request = {"do": "tags_prove"} | asdict(claim) | {"ours": sorted(claim.ours)}
        return self._ask(source, proof_in, request, copy)

    def _ask(
        self,
        source: SourceFile,
        parse: Callable[[Mapping[str, Any]], _Value],
        request: dict[str, Any],
        *others: int,
    ) -> _Value:
        with ExitStack() as stack:
            files = [stack.enter_context(_to_read(file)) for file in (source.descriptor, *others)]
            return self._worker.ask(source.path, parse, request, files)


@contextmanager
def _to_read(file: int) -> Iterator[int]:
    """Yield a descriptor by which a worker can read a file and nothing else."""
    if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        yield file
        return
    descriptor = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def request_of(job: TagJob) -> dict[str, Any]:
    """Return the request for a plan, in types that JSON has."""
    return {
        "do": "tags_plan",
        "kind": job.kind,
        "items": job.items,
        "owned": None if job.owned is None else sorted(job.owned),
        "first": None if job.first is None else asdict(job.first),
        "base": None if job.base is None else b64encode(packed(job.base)).decode("ascii"),
    }
