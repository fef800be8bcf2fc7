"""What a consumer needs of whatever reads its sounds, on this machine or on others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from daemon.worker.active_bundle import ActiveBundle
    from storage.schema.records import Analysis
    from trainer.audio.sound_file import SoundFile

_Value = TypeVar("_Value")


class SoundReader(Protocol):
    """`WorkerClient` is one, and says what each method does and raises."""

    def expect(self, bundle: ActiveBundle) -> None:
        """Have a bundle loaded before the first file."""

    def warm(self, bundle: ActiveBundle) -> None:
        """Load everything the first file would wait for."""

    def identify(self, file: SoundFile) -> str:
        """Hash the audio packets of a file."""

    def analyse(self, file: SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        """Extract the features of a file and predict its affect, and that of each window."""

    def ask(
        self,
        path: Path,
        parse: Callable[[dict[str, Any]], _Value],
        request: dict[str, Any],
        files: Sequence[int],
    ) -> _Value:
        """Have open files read on this machine."""

    def close(self) -> None:
        """Free what an idle consumer does not need."""
