"""The image and its service, read line by line; without a builder, its steps are run, too."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from config.default_paths import default_paths
from config.loading import load
from tests.docs.pages import ROOT
from tests.installing import podman
from tests.installing.documented import is_tagged, run

if TYPE_CHECKING:
    from pathlib import Path


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [(line.split()[0], line.partition(" ")[2]) for line in joined.splitlines() if line]


def the(name: str) -> str:
    (found,) = [rest for word, rest in instructions() if word == name]
    return found


def environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", the("ENV")))


def service() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    (found,) = document["services"].values()
    assert set(document["volumes"]) == {"settings", "state"}
    return dict(found)


def test_the_image_runs_as_another_user_than_root_and_keeps_state_in_its_volume() -> None:
    words = [word for word, _ in instructions()]
    assert the("USER") == "${UID}:${GID}"
    arguments = dict(rest.split("=") for word, rest in instructions() if word == "ARG")
    assert int(arguments["UID"]) > 0
    # What is run as root is over by then.
    assert "RUN" not in words[words.index("USER") :]
    paths = default_paths(environment())
    assert the("VOLUME") == str(paths.state) == "/var/lib/valenced"
    assert str(paths.settings_files[0].parent) == "/etc/valenced"
    made = f"install -d -m 700 -o ${{UID}} -g ${{GID}} {paths.state}"
    assert made in " ".join(rest for _, rest in instructions())


def test_the_health_check_asks_where_the_service_listens() -> None:
    command = json.loads(the("HEALTHCHECK").partition("CMD ")[2])
    settings = load(environ=environment() | {"HOME": "/nowhere"}).settings
    assert f"http://{settings.page.listen}/health" in command[2]
    compile(command[2], "health check", "exec")
    # Podman drops it from an image of its own format.
    assert service()["healthcheck"]["test"] == ["CMD", *command]


def test_every_package_of_the_image_has_its_hash() -> None:
    pip = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert all("--require-hashes" in line or "--no-deps" in line for line in pip)
    assert "--require-hashes" in pip[0]


def test_the_service_may_write_its_volumes_only_and_has_no_network() -> None:
    composed = service()
    assert composed["read_only"] is True
    assert composed["network_mode"] == "none"
    assert composed["cap_drop"] == ["ALL"]
    assert composed["security_opt"] == ["no-new-privileges"]
    assert composed["group_add"] == ["${MEDIA_GID:-990}"]
    inside = [line.rpartition("}")[2] or line for line in composed["volumes"]]
    assert inside == [":/media", ":/etc/valenced:ro", "state:/var/lib/valenced"]
    assert composed["build"]["dockerfile"] == "Containerfile"
    assert set(composed["build"]["args"]) == {"UID", "GID"}


@pytest.mark.skipif(not podman.why_missing(), reason="test_built_image.py builds it")
@pytest.mark.xdist_group("wheel")
def test_its_steps_lead_to_a_tagged_sound_without_a_builder(
    checkout: Path, home: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"

    def inside(text: str) -> str:
        return re.sub(r"/(?:opt|var/lib|etc)/valenced|/media|/src", rf"{root}\g<0>", text)

    numbers = {"UID": str(os.getuid()), "GID": str(os.getgid())}
    place = root
    for word, rest in instructions():
        if word == "WORKDIR":
            place = root / rest.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
        elif word == "COPY" and "--from" not in rest:
            shutil.copytree(checkout, place, symlinks=True, dirs_exist_ok=True)
        elif word == "RUN" and "apt-get" not in rest:  # which would change this machine
            run(inside(rest), place, os.environ | numbers)
    variables = {name: inside(value) for name, value in environment().items()}
    run(f"valenced scan {home / 'Music'}", root, os.environ | variables)
    assert is_tagged(home / "Music" / "song.flac")
    shutil.rmtree(root)
