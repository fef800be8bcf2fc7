"""Parsers of tags in this process, as workers answer, and readers for their proofs.

Requests and answers take the way through JSON and the checks of the service, as between processes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.tagging import api
from daemon.tagging.basics.tag_jobs import FileReading
from daemon.tagging.parsing.tag_requests import answer
from daemon.worker.tag_answers import items_in, plan_in, proof_in
from daemon.worker.tag_client import request_of
from trainer.audio.packets.ffmpeg_reading import read_back

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Items
    from daemon.tagging.basics.tag_jobs import Claim, TagJob, TagPlan
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.parsing.proof import FfmpegReader


@dataclass
class LocalParser:
    """A `TagParser` in this process."""

    reader: FfmpegReader

    def ask(self, request: dict[str, Any], *files: int) -> dict[str, Any]:
        sent = json.loads(json.dumps(request))
        answered: dict[str, Any] = json.loads(json.dumps(answer(sent, files, self.reader)))
        return answered

    def read_tags(self, source: SourceFile) -> Items:
        return items_in(self.ask({"do": "tags_read"}, source.descriptor))

    def plan_tags(self, source: SourceFile, job: TagJob) -> TagPlan:
        return plan_in(self.ask(request_of(job), source.descriptor), source.view.size)

    def prove_tags(self, source: SourceFile, copy: int, claim: Claim) -> str:
        request = {"do": "tags_prove"} | asdict(claim) | {"ours": sorted(claim.ours)}
        return proof_in(self.ask(request, source.descriptor, copy))


def blind_reader(path: Path, /, *, hashed: bool = True) -> FileReading:
    del path
    return FileReading("5a3e" if hashed else None, None)


def path_of(file: int) -> Path:
    return Path(f"/proc/self/fd/{file}").readlink()


def ffmpeg_reader(path: Path, *, hashed: bool = True) -> FileReading:
    return FileReading(**read_back(path, hashed=hashed))


def ffmpeg(file: int, *, hashed: bool = True) -> FileReading:
    return FileReading(**read_back(Path(f"/proc/self/fd/{file}"), hashed=hashed))


def blind(file: int, *, hashed: bool = True) -> FileReading:
    del file
    return FileReading("5a3e" if hashed else None, None)


def by_name(file: int, *, hashed: bool = True) -> FileReading:  # noqa: ARG001 - as a reader
    """Find other sound in every file."""
    return FileReading(str(path_of(file)).encode().hex(), None)


PARSER = LocalParser(ffmpeg)
BLIND_PARSER = LocalParser(blind)


def read(path: Path) -> Items:
    return api.read(path, PARSER)
