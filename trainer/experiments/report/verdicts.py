"""The conclusions from the tests, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.experiments.paired_test import NOTHING, P_LEVEL
from trainer.regression.kind_kernel import DIMENSIONS, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.experiments.outcomes import ExperimentResult
    from trainer.experiments.paired_test import PairedTest

# The difference between the first two conditions that a plan compares.
_SUBJECTS: Final = {
    "joint": "Joint training",
    "mixing": "Adding all clips of the other kinds",
    "constant-size": "Taking a quarter of a constant total from the other kinds",
    "shuffled-control": "Having the other kinds' own ratings instead of shuffled ones",
    "cross-domain": "Training on the other kinds instead of its own",
    "cross-cultural": "Training on as many clips of the other groups instead of its own",
}


def verdict_of(outcome: ExperimentResult) -> list[str]:
    """Return the conclusion of an experiment, the tests behind it, and other significant tests."""
    tests = outcome.tests
    if not tests:
        return _growth(outcome) if outcome.plan.name == "learning-curve" else []
    main = [t for t in tests if (t.first, t.second) == (tests[0].first, tests[0].second)]
    subject = _SUBJECTS.get(outcome.plan.name)
    if subject is None:
        return [_ablation(tests)]
    others = [t for t in tests if t not in main and t.verdict != NOTHING]
    lines = [line_of(t) for t in (*main, *others)]
    if outcome.against_best:
        return [_at_least_as_good(outcome.against_best), _conclusion(subject, main), *lines]
    return [_conclusion(subject, main), *lines]


def line_of(test: PairedTest) -> str:
    """Return a test in one line."""
    return (
        f"{test.first} against {test.second}, {test.dimension} of {test.domain}: squared error "
        f"{-test.gain:+.1%} [{-test.high:+.1%}, {-test.low:+.1%}], p {test.p:.2g}, after Holm "
        f"{test.p_holm:.2g}: {test.verdict}"
    )


def _conclusion(subject: str, tests: Sequence[PairedTest]) -> str:
    better, worse = (
        [f"{t.dimension} of {t.domain}" for t in tests if t.verdict == verdict]
        for verdict in ("better", "worse")
    )
    if not better and not worse:
        return (
            f"{subject} did not help: no difference is significant (p above {P_LEVEL:g} "
            "in all tests)."
        )
    text = f"{subject} {f'helped {_listed(better)}' if better else 'did not help'}"
    if worse:
        text += f" and made {_listed(worse)} worse"
    if len(better) + len(worse) == len(tests):
        return f"{text}."
    return f"{text}; the other differences are not significant."


def _at_least_as_good(tests: Sequence[PairedTest]) -> str:
    """Say where a joint fit is worse than the best fit on a single kind, and where it may be."""
    worse = [t for t in tests if t.strict_verdict == "worse"]
    better = [f"{t.dimension} of {t.domain}" for t in tests if t.strict_verdict == "better"]
    open_ = [t for t in tests if t.strict_verdict == NOTHING and t.gain < 0]
    text = "The joint fit is at least as good as the best fit on a single kind in "
    if worse:
        count = len(tests) - len(worse)
        text += f"{count} of {len(tests)} cells; it is worse for {_listed([*map(_cell, worse)])}"
    else:
        text += f"every cell, of {len(tests)}: in none does the 95 % interval say that it is worse"
    text += f". It is significantly better for {_listed(better)}" if better else ""
    if open_:
        text += f". Larger errors that are not significant: {_listed([*map(_cell, open_)])}"
    return f"{text}."


def _cell(test: PairedTest) -> str:
    return (
        f"{test.dimension} of {test.domain} (against {test.second}: squared error "
        f"{-test.gain:+.1%} [{-test.high:+.1%}, {-test.low:+.1%}])"
    )


def _growth(outcome: ExperimentResult) -> list[str]:
    """Report the change of R2 by the last quarter of the groups of a learning curve."""
    changes = []
    for domain in KINDS:
        for dimension in DIMENSIONS:
            curve = outcome.of(f"all {domain}", dimension)
            scores = {each.at: each.r2 for each in curve if each.line == "joint"}
            before, after = scores.get(0.75), scores.get(1.0)
            if before is not None and after is not None:
                changes.append(f"{after - before:+.3f} for {dimension} of {domain}")
    if not changes:
        return []
    return [f"From three quarters of the groups to all of them, R2 changes by {_listed(changes)}."]


def _ablation(tests: Sequence[PairedTest]) -> str:
    """Report the families whose absence changes the error significantly."""
    effects = []
    for name in dict.fromkeys(test.first for test in tests):
        for verdict in ("worse", "better"):
            own = [t for t in tests if (t.first, t.verdict) == (name, verdict)]
            if own:
                parts = _listed([f"{t.dimension} of {t.domain} ({-t.gain:+.1%})" for t in own])
                family = name.removeprefix("without: ")
                effects.append(f"without {family}, {parts} is predicted {verdict}")
    if not effects:
        return (
            "Leaving out any single family makes no significant difference "
            f"(p above {P_LEVEL:g} in all tests)."
        )
    text = "; ".join(effects)
    return f"{text[0].upper()}{text[1:]}. The other differences are not significant."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
