"""What the tests say, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.experiments.paired_test import NOTHING, P_LEVEL
from trainer.experiments.splits import DOMAINS
from trainer.regression.kernel_expert import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.outcomes import ExperimentResult
    from trainer.experiments.paired_test import PairedTest

# What is asked of the first pair that a plan compares.
_OPENINGS: Final = {
    "joint": "Joint training",
    "mixing": "Adding the whole of the other domain",
    "constant-size": "Taking a quarter of a constant total from the other domain",
    "shuffled-control": "That the other domain's ratings are its own, and not shuffled,",
    "cross-domain": "Fitting on the other domain in place of its own",
}


def verdict_of(outcome: ExperimentResult) -> list[str]:
    """Return what an experiment came to: the answer, the tests behind it, and what else stands out.

    Tests that found nothing and that the answer does not rest on are left to the table of them.
    """
    tests = outcome.tests
    if not tests:
        return _rise(outcome) if outcome.plan.name == "learning-curve" else []
    asked = [t for t in tests if (t.first, t.second) == (tests[0].first, tests[0].second)]
    opening = _OPENINGS.get(outcome.plan.name)
    if opening is None:
        return [_without(tests)]
    others = [t for t in tests if t not in asked and t.verdict != NOTHING]
    return [_answer(opening, asked), *(line_of(t) for t in (*asked, *others))]


def line_of(test: PairedTest) -> str:
    """Return a test in one line."""
    return (
        f"{test.first} against {test.second}, {test.dimension} of {test.domain}: squared error "
        f"{-test.gain:+.1%} [{-test.high:+.1%}, {-test.low:+.1%}], p {test.p:.2g}, after Holm "
        f"{test.p_holm:.2g}: {test.verdict}"
    )


def _answer(opening: str, tests: Sequence[PairedTest]) -> str:
    """Say plainly whether it helped, and where."""
    places = {
        found: [f"{t.dimension} of {t.domain}" for t in tests if t.verdict == found]
        for found in ("better", "worse")
    }
    if not any(places.values()):
        return (
            f"{opening} did not help: no difference is larger than chance would make "
            f"(p above {P_LEVEL:g} throughout)."
        )
    said = [f"helped {_listed(places['better'])}" if places["better"] else "did not help"]
    if places["worse"]:
        said.append(f"made {_listed(places['worse'])} worse")
    text = f"{opening} {' and '.join(said)}"
    if len(places["better"]) + len(places["worse"]) == len(tests):
        return f"{text}."
    return f"{text}; elsewhere chance would make as much of a difference."


def _rise(outcome: ExperimentResult) -> list[str]:
    """Say what the last quarter of the groups gave to the first line of a learning curve."""
    said = []
    for domain in DOMAINS:
        for dimension in DIMENSIONS:
            curve = outcome.of(f"all {domain}", dimension)
            scores = {each.at: each.r2 for each in curve if each.line == "joint"}
            before, after = scores.get(0.75), scores.get(1.0)
            if before is not None and after is not None:
                said.append(f"{after - before:+.3f} for {dimension} of {domain}")
    if not said:
        return []
    return [f"From three quarters of the groups to all of them, R2 changes by {_listed(said)}."]


def _without(tests: Sequence[PairedTest]) -> str:
    """Say which families are missed where they are left out, and what that does to the error."""
    said = []
    for name in dict.fromkeys(test.first for test in tests):
        for found in ("worse", "better"):
            own = [t for t in tests if (t.first, t.verdict) == (name, found)]
            if own:
                places = _listed([f"{t.dimension} of {t.domain} ({-t.gain:+.1%})" for t in own])
                family = name.removeprefix("without: ")
                said.append(f"without {family}, {places} is predicted {found}")
    if not said:
        return (
            "No family is missed where it is left out: the others make up for it, or chance would "
            f"make as much of a difference (p above {P_LEVEL:g} throughout)."
        )
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}. Elsewhere chance would make as much of a difference."


def _listed(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
