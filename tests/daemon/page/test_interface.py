"""Whatever is asked in the terms of the description, the answer is as described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from tests.daemon.page.page_client import TOKEN

if TYPE_CHECKING:
    from schemathesis import APIOperation, Case

    from tests.daemon.page.page_client import PageClient

EXAMPLES = 3
"""Requests for each operation, of those that fit the description and of those that do not."""

ENDLESS = "/api/v1/events"
OF_SERVICE = {"/health", "/metrics"}
"""Here no service runs, so that they answer with 503."""

load_all_checks()
NOT_CHECKED: Any = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])
"""Some texts are checked more closely than the description says, such as ranges and folders; and
parameters that nobody knows are ignored where there are no others."""


def test_every_answer_is_as_described(page: PageClient) -> None:
    headers = {"X-Valenced-Token": TOKEN}
    schema = schemathesis.openapi.from_url(
        f"http://{page.address}/api/openapi.json", headers=headers
    )
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 15
    for operation in operations:
        if operation.path not in {ENDLESS, *OF_SERVICE}:
            for mode in GenerationMode:
                ask(operation, mode)


def ask(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        case.call_and_validate(headers={"X-Valenced-Token": TOKEN}, excluded_checks=NOT_CHECKED)

    check()
