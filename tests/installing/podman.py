"""Podman with a storage of its own, and a base image made of Debian's packages."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

BASE = "localhost/base"


def why_missing() -> str:
    """Return why no image can be built here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can make the base image"
    for program in ("podman", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return ""


def configure(folder: Path) -> dict[str, str]:
    """Return variables with which podman keeps everything below a folder."""
    runtime = "runc" if shutil.which("runc") else "crun"  # crun refuses mixed versions of cgroups
    limits = [f'"{name}={limit}:{limit}"' for name, limit in _limits().items()]
    (folder / "containers.conf").write_text(
        f'[containers]\nnetns = "host"\ndefault_ulimits = [{", ".join(limits)}]\n'
        f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n',
        encoding="utf-8",
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n',
        encoding="utf-8",
    )
    return os.environ | {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "HOME": str(folder),
    }


def unmount(variables: dict[str, str]) -> None:
    """Unmount what podman leaves mounted of its storage after its first image."""
    folder = Path(variables["HOME"]) / "images" / "overlay"
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


def _limits() -> dict[str, int]:
    """Return limits that may be set without the right to raise any."""
    return {"nofile": min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), "nproc": 1024}


def make_base(folder: Path, variables: dict[str, str]) -> None:
    """Make the base image from this machine's own sources of packages."""
    archive = folder / "base.tar"
    line = ["mmdebstrap", "--quiet", "--variant=apt", "--include=python3-venv"]
    environment = []
    if certificates := os.environ.get("PIP_CERT"):
        line.append(f"--customize-hook=upload {certificates} /etc/pip.crt")
        environment = ["--change", "ENV PIP_CERT=/etc/pip.crt"]
    made = subprocess.run(
        [*line, platform.freedesktop_os_release()["VERSION_CODENAME"], str(archive)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no packages for a base image: {made.stderr.strip().splitlines()[-1]}")
    subprocess.run(
        ["podman", "import", *environment, str(archive), BASE],
        env=variables,
        capture_output=True,
        check=True,
    )
    archive.unlink()
    tried = ["podman", "run", "--rm", "--network", "none", BASE, "true"]
    ran = subprocess.run(tried, env=variables, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"this machine runs no containers: {ran.stderr.strip()}")
