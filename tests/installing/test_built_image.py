"""The image, and the service of compose.yaml, as Podman builds and runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.installing import podman
from tests.installing.documented import commands_of, is_tagged, run
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator

WAY = "In a container"
PATIENCE_S = 120.0
UID = 990

pytestmark = [
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(bool(podman.why_missing()), reason=podman.why_missing()),
]


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return variables for Podman, which has the base image only."""
    folder = tmp_path_factory.mktemp("podman")
    made = podman.configure(folder)
    try:
        podman.make_base(folder, made)
        yield made
    finally:
        run(
            "podman rm --all --force && podman volume prune --force && podman rmi --all --force",
            folder,
            made,
        )
        podman.unmount(made)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(checkout: Path, variables: dict[str, str]) -> None:
    """Build the image by the first command of the page."""
    line = commands_of(WAY)[0]
    run(line.replace("build", f"build --build-arg BASE={podman.BASE}", 1), checkout, variables)


@pytest.fixture
def home(home: Path) -> Path:
    """Give the sounds to the user of the image."""
    for path in (home / "Music", *(home / "Music").iterdir()):
        os.chown(path, UID, UID)
    return home


@pytest.mark.usefixtures("image")
def test_the_second_command_tags_a_sound(home: Path, variables: dict[str, str]) -> None:
    line = commands_of(WAY)[1]
    # Root's containers have no users of their own.
    line, found = re.subn(rf"--userns keep-id:uid={UID},gid={UID} ", "", line)
    assert found
    run(line, home, variables | {"HOME": str(home)})
    assert is_tagged(home / "Music" / "song.flac")


@pytest.mark.usefixtures("image")
def test_the_service_is_healthy_confined_and_tags_a_new_sound(
    checkout: Path, home: Path, variables: dict[str, str]
) -> None:
    line = next(line for line in commands_of(WAY, 2) if "podman-compose" in line)
    line = re.sub(r"VALENCED_USERNS=\S+ ", "", line)
    compose = f"{Path(sys.executable).with_name('podman-compose')}"
    chosen = variables | {"HOME": str(home), "MEDIA": str(home / "Music")}
    run(line.replace("podman-compose", compose), checkout, chosen)
    inside = f"{compose} exec -T tagger"
    try:
        new = write_audio(home / "new.flac", music_like(6.0, seed=1))
        os.chown(new, UID, UID)
        new.rename(home / "Music" / "new.flac")
        until_tagged(home / "Music" / "new.flac")
        (service,) = json.loads(run("podman inspect $(podman ps --quiet)", checkout, chosen))
        run(f"podman healthcheck run {service['Id']}", checkout, chosen)
        status = run(f"{inside} cat /proc/1/status", checkout, chosen)
        assert re.search(rf"^Uid:\t{UID}\t{UID}\t{UID}", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert "lo:" in run(f"{inside} cat /proc/net/dev", checkout, chosen).splitlines()[-1]
        written = run(
            f"{inside} sh -c 'touch /opt/x /etc/valenced/x; ls /opt /etc/valenced'",
            checkout,
            chosen,
        )
        assert "x" not in written.split()
        assert "new.flac" in run(f"{inside} valenced query", checkout, chosen)
    finally:
        run(f"{compose} down --volumes", checkout, chosen)


def until_tagged(sound: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_tagged(sound):
        assert time.monotonic() < end, "no tags"
        time.sleep(0.1)
