"""What only the main service of a catalogue has: its page, and the playlists that it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.monitoring.endpoints import serve_page
from daemon.monitoring.status_replies import StatusReplies
from daemon.querying.kept_playlists import kept_playlists
from daemon.querying.playlist_keeper import PlaylistKeeper
from daemon.tagging.disk.syscalls import DiskCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from socket import socket

    from daemon.service.event_loop import EventLoop
    from daemon.service.run_config import ActiveConfig, RunConfig


def start_main_parts(
    active: ActiveConfig, loop: EventLoop, stack: ExitStack, passed: socket | None
) -> Callable[[], None]:
    """Start them, and say in the catalogue what holds for all services; nothing in another service.

    Args:
        active: the configuration in use.
        loop: of the service.
        stack: ends them.
        passed: a socket for the page that systemd has opened.

    Returns:
        What has the page take up the present settings.

    Raises:
        SettingsError: the page has no such address, or a playlist cannot be kept.
        ListenError: the address of the page is in use.
        CatalogueError: the catalogue cannot be written.
    """
    if loop.notes is None:
        return lambda: None
    catalogue, mood = loop.catalogue, active.config.settings.mood
    catalogue.set_mood_thresholds(mood.arousal_threshold, mood.valence_threshold)
    catalogue.notes.clear()
    if not active.config.keep_watching:
        return lambda: None
    config = active.config
    replies = StatusReplies(catalogue, active.reconcile_s, loop.clock, loop.stats)
    # The run may serve the page again, on the same socket.
    own = None if passed is None else passed.dup()
    page = serve_page(active.settings, config.url, config.registry, replies, own)
    renew_page = stack.enter_context(page)
    keeper = _playlist_keeper(config)
    stack.callback(keeper.stop)
    keeper.start()
    return renew_page


def _playlist_keeper(config: RunConfig) -> PlaylistKeeper:
    """Return what keeps the playlists of the settings up to date.

    Raises:
        SettingsError: a query is wrong, or a file may not be where it is.
    """
    own = config.registry.parent / "playlists"
    allowed = [own, *(folder.path for folder in config.folders)]
    settings = config.settings
    playlists = kept_playlists(settings.playlist, settings.mood, allowed)
    if any(playlist.file.is_relative_to(own) for playlist in playlists):
        own.mkdir(mode=0o700, exist_ok=True)
    return PlaylistKeeper(config.url, playlists, DiskCalls())
