"""The key of this installation, by which it recognises the bundles that it wrote itself.

The token of the page is made from it, too.

Unpickling runs whatever code the pickle names, so only a pickle of our own is unpickled. The key
lies beside the registry and is in no backup. It makes a code (HMAC-SHA256) of each manifest, and
the manifest holds the checksum of every other file of its bundle.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trainer.files.trusted_read import read_files
from trainer.trainer_errors import BundleError, BundleOutdated, BundleUntrusted

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

KEY: Final = "bundles.key"
CODE: Final = "manifest.hmac"
"""The file of a bundle that holds the code of its manifest."""

NOT_OURS: Final = "this installation did not write its fitted regression"
_BYTES: Final = 32
_TOKEN_BYTES: Final = 24
_PAGE: Final = b"valenced page token 1\0"
_PURPOSE: Final = b"valenced bundle manifest 1\0"
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def code_of(key: bytes, manifest: bytes) -> bytes:
    """Return the code of a manifest, as 64 hexadecimal digits."""
    return hmac.digest(key, _PURPOSE + manifest, hashlib.sha256).hex().encode("ascii")


def page_token(key: bytes) -> str:
    """Return the token of the page: who can tell it, may read the key, or has been told."""
    code = hmac.digest(key, _PAGE, hashlib.sha256)[:_TOKEN_BYTES]
    return base64.urlsafe_b64encode(code).decode("ascii")


def read_key(registry_dir: Path) -> bytes | None:
    """Return the key beside a registry; None if there is none that only we could have read.

    Raises:
        BundleUntrusted: there is one of another user.
    """
    path = _path(registry_dir)
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleUntrusted(f"{path}: cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if status.st_uid not in {0, os.geteuid()}:
            raise BundleUntrusted(
                f"{path}: belongs to user {status.st_uid}, not to this user or root"
            )
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            return None
        key = stream.read(_BYTES + 1)
    return key if len(key) == _BYTES else None


def make_key(registry_dir: Path) -> bytes:
    """Return the key beside a registry; make one where there is none that only we could have read.

    With a new key, every bundle there counts as somebody else's and is fitted again.

    Raises:
        BundleUntrusted: there is one of another user.
        BundleError: it cannot be written.
    """
    key = read_key(registry_dir)
    if key is not None:
        return key
    path = _path(registry_dir)
    new, key = path.with_name(f".{KEY}.{secrets.token_hex(8)}"), secrets.token_bytes(_BYTES)
    try:
        with open(os.open(new, _CREATE, 0o600), "wb") as stream:  # noqa: PTH123 - a descriptor
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            # Another process has made one meanwhile, or it is damaged or readable for others.
            found = read_key(registry_dir)
            if found is not None:
                return found
            log.warning("%s: damaged, or readable for others; replaced by a new key", path)
            new.replace(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return key


def require_ours(directory: Path, manifest: bytes, digest: str | None) -> None:
    """Refuse a bundle that this installation did not write.

    Args:
        directory: of the bundle, in a registry.
        manifest: the bytes of its manifest.
        digest: their SHA-256, if who may read the key has found the bundle to be ours.

    Raises:
        BundleOutdated: it is not ours.
        BundleError: its code or the key cannot be read.
    """
    if digest is not None:
        expected, found = digest.encode(), hashlib.sha256(manifest).hexdigest().encode()
    else:
        key = read_key(directory.absolute().parent)
        expected = code_of(key, manifest) if key is not None else b""
        found = read_files(directory, (), guarded=True, optional=(CODE,)).get(CODE, b"")
    if not expected or not hmac.compare_digest(expected, found):
        raise BundleOutdated(str(directory), NOT_OURS)


def _path(registry_dir: Path) -> Path:
    return registry_dir.absolute().with_name(KEY)
