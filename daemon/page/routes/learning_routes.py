"""Learning: the bundles and what was compared, and what to annotate next."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from daemon.page.routes.page_context import PROBLEMS, AsciiJson, Page
from daemon.page.routes.sound_query import LARGEST_NUMBER
from daemon.page.routes.sound_routes import SoundRow

router = APIRouter(prefix="/api/v1", tags=["learning"], responses=PROBLEMS)

BundleName = Annotated[str, Path(min_length=1, max_length=200)]


class BundleRow(BaseModel):
    """A bundle, and the verdict of its comparison."""

    name: str
    in_service: bool
    created_at: str | None
    problem: str | None
    compared: str | None


class Bundles(BaseModel):
    """All bundles."""

    bundles: list[BundleRow]


class BundleManifest(BaseModel):
    """What `valenced bundles show --format json` prints."""

    model_config = ConfigDict(extra="allow")

    name: str
    created_at: str


class Published(BaseModel):
    """The bundle that is published now, and when values and tags change."""

    name: str
    renewed: str


class ReviewSound(BaseModel):
    """The sound whose annotation would teach most; null if none is left."""

    sound: SoundRow | None
    uncertainty: float | None


@router.get("/bundles", response_model=Bundles)
def bundles(page: Page) -> Response:
    """The bundles, of which one is published."""
    from daemon.page.routes import learning  # noqa: PLC0415 - loads what trains

    return AsciiJson({"bundles": learning.bundle_rows(page)})


@router.get("/bundles/{name}", response_model=BundleManifest)
def bundle(page: Page, name: BundleName) -> Any:
    """What a bundle was fitted on, its scores and its comparison."""
    from daemon.page.routes import learning  # noqa: PLC0415 - as above

    return AsciiJson(learning.manifest_of(page, name))


@router.post("/bundles/rollback", response_model=Published)
def rollback(page: Page) -> Response:
    """Publish again the bundle that was published before."""
    from daemon.page.routes import learning  # noqa: PLC0415 - as above

    return AsciiJson(learning.rollback(page))


@router.post("/bundles/{name}/publish", response_model=Published)
def publish(page: Page, name: BundleName) -> Response:
    """Publish a bundle, whatever the result of its comparison."""
    from daemon.page.routes import learning  # noqa: PLC0415 - as above

    return AsciiJson(learning.publish(page, name))


@router.get("/review/next", response_model=ReviewSound)
def next_to_review(
    page: Page, after: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER)] = None
) -> Response:
    """The sound whose annotation would teach most, or that which follows `after`."""
    from daemon.page.routes import learning  # noqa: PLC0415 - as above

    return AsciiJson(learning.next_to_review(page, after))
