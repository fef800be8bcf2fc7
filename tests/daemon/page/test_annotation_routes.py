"""Correcting, failures and status, as the commands do it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from daemon.training_data.given_by_hand import this_user
from storage.catalogue import Catalogue
from storage.jobs import RETAG
from tests.daemon.page.page_client import served
from tests.daemon.page.test_sound_routes import columns_of

if TYPE_CHECKING:
    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient


@pytest.fixture
def own(library: Library) -> str:
    return f"/api/v1/sounds/{library.numbers['a/loud.wav']}"


def test_an_annotation_is_shown_and_can_be_undone(
    page: PageClient, library: Library, own: str
) -> None:
    before = page.read(own)
    revision = page.get("/api/v1/points").headers["etag"]
    given = {"arousal": -0.25, "valence": 1, "annotator": "Zoë"}
    document = page.change("PUT", f"{own}/annotation", given)
    (row,) = document["annotations"]
    assert (row["arousal"], row["valence"], row["annotator"]) == (-0.25, 1.0, "Zoë")
    assert row["source"] == "page"
    assert document["sound"]["bundle"] == "annotation"
    assert page.read(own) == document
    points = page.get("/api/v1/points", If_None_Match=revision)
    assert points.status == 200
    assert sum(columns_of(points.body)["flags"]) == 1
    with closing(Catalogue(f"sqlite:///{library.catalogue}")) as catalogue:
        assert catalogue.jobs.is_requested(RETAG)
    page.change("DELETE", f"{own}/annotation?annotator=nobody", status=404)
    assert page.change("DELETE", f"{own}/annotation?annotator=Zo%C3%AB") == before
    page.change("DELETE", f"{own}/annotation?annotator=Zo%C3%AB", status=404)


def test_without_a_name_it_is_this_user(page: PageClient, own: str) -> None:
    document = page.change("PUT", f"{own}/annotation", {"arousal": 0.5})
    assert [row["annotator"] for row in document["annotations"]] == [this_user()]
    page.change("DELETE", f"{own}/annotation")


@pytest.mark.parametrize(
    "wrong",
    [
        *({}, {"arousal": 1.01}, {"valence": -2}, {"arousal": "0.5"}, {"arousal": True}),
        *({"arousal": None}, {"arousal": 0, "path": "/x"}, {"arousal": [0]}, [], "x"),
        *({"arousal": 0, "annotator": "a\nb"}, {"arousal": 0, "annotator": "x" * 300}),
        *({"arousal": 0, "annotator": "\u202e"}, {"arousal": 0, "annotator": 5}),
        {"arousal": float("nan")},
    ],
)
def test_a_wrong_annotation_is_refused(page: PageClient, own: str, wrong: Any) -> None:
    answer = page.change("PUT", f"{own}/annotation", wrong, status=422)
    assert isinstance(answer["detail"], str)
    assert page.read(own)["annotations"] == []


def test_nothing_unknown_is_annotated(page: PageClient) -> None:
    for number in (4_000_000, 2**53 - 1):
        page.change("PUT", f"/api/v1/sounds/{number}/annotation", {"arousal": 0}, status=404)


def test_the_settings_say_who_may_annotate(library: Library, own: str) -> None:
    with served(library.catalogue, "annotations.from_commands=false") as page:
        page.change("PUT", f"{own}/annotation", {"arousal": 0}, status=403)
    with served(library.catalogue, "annotations.annotator_column=false") as page:
        page.change("PUT", f"{own}/annotation", {"arousal": 0, "annotator": "Eve"}, status=403)


def test_failures_are_listed_and_tried_again(page: PageClient, library: Library) -> None:
    (failure,) = page.read("/api/v1/failures")["failures"]
    assert failure["path"] == f"{library.music}/broken.mp3"
    assert failure["retry_at"] is None
    for wrong in ({}, {"ids": [1], "all": True}, {"ids": [0]}, {"all": "x"}, {"ids": "1"}):
        page.change("POST", "/api/v1/failures/retry", wrong, status=422)
    retry = "/api/v1/failures/retry"
    assert page.change("POST", retry, {"ids": [99]}) == {"files": 0, "tags": 0}
    assert page.change("POST", retry, {"ids": [failure["id"]]}) == {"files": 1, "tags": 0}
    assert page.read("/api/v1/failures")["failures"][0]["retry_at"] is not None


def test_the_status_is_that_of_the_command(page: PageClient, library: Library) -> None:
    document = page.read("/api/v1/status")
    assert (document["running"], document["known"], document["failed"]) == (None, 4, 1)
    assert document["catalogue"] == str(library.catalogue)
    assert page.get("/metrics").status == 503


def test_events_tell_of_changes(page: PageClient, own: str) -> None:
    with page.connect() as client:
        client.sendall(page.asked("/api/v1/events"))
        told = b""
        while b"event: status" not in told:
            told += client.recv(65536)
        assert b"text/event-stream" in told
        assert told.count(b"event: changed") == 1
        page.change("PUT", f"{own}/annotation", {"arousal": 0.5})
        page.change("DELETE", f"{own}/annotation")
        while told.count(b"event: changed") < 2:
            told += client.recv(65536)


def test_a_page_that_ends_while_a_browser_listens_logs_nothing(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    with served(library.catalogue) as page:
        client = page.connect()
        client.sendall(page.asked("/api/v1/events"))
        assert client.recv(65536)
    client.close()
    assert caplog.text == ""
