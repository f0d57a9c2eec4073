"""The noise and the budget, both OpenDP's.

    sums + discrete Laplace noise of scale sensitivity / epsilon      (Ghosh et al., 2009)
    filter(budget): first what was spent before, then this release    (Rogers et al., 2016)

Noise is of whole numbers, sampled exactly from the operating system's generator, so no rounding of
floating-point numbers tells of the sums beneath it (Mironov, 2012). The library decides whether the
budget holds it: its privacy filter is given the loss of the year so far, which it composes with that
of the release, rounded against us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analytics.errors import RequestRefused
from analytics.privacy.limits import ACCURACY_ALPHA

EXTRA: Final = "privacy"
"""Optional part of Sunlit with the library."""
NAME: Final = "discrete_laplace"
SLACK: Final = 1e-9
"""Share by which the noise is wider than it must be, so that ten tenths fit into a budget of one
however they are rounded."""
_REFUSED: Final = "privacy budget"
"""What the library's refusal speaks of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Values that may be seen once the record holds them."""

    values: tuple[int, ...]
    """Sums with noise."""
    epsilon: float
    """Privacy loss of the release, as the library counts it."""
    spent: float
    """Privacy loss of the year with it, as the library composes it."""
    scale: float
    """Scale of the noise."""
    accuracy: int
    """How far from the bounded sum a value is at most, in 95 of 100 cases."""


def require_library() -> None:
    """Return once the library is there.

    Raises:
        RequestRefused: ``extra_missing`` (404): it is not installed.
    """
    try:
        import opendp.combinators  # noqa: F401, PLC0415 - imports are slow, and it is optional
    except ModuleNotFoundError:
        detail = (
            "aggregates with noise need a library that is optional: pip install "
            f"'sunlit[{EXTRA}]' where the node runs"
        )
        raise RequestRefused(404, "extra_missing", detail, extra=EXTRA) from None


def draw(
    sums: Sequence[int], *, sensitivity: int, epsilon: float, spent: float, budget: float
) -> Drawn:
    """Return sums with noise, where the budget holds what that costs.

    ``spent`` is the privacy loss of the year so far. No two calls have the same noise.

    Raises:
        RequestRefused: ``privacy_budget_spent`` (409).
    """
    from opendp import accuracy, combinators, domains, measurements, measures, metrics  # noqa: PLC0415
    from opendp.mod import OpenDPException, enable_features  # noqa: PLC0415

    enable_features("contrib", "honest-but-curious")
    space = (domains.vector_domain(domains.atom_domain(T="i64")), metrics.l1_distance(T="i64"))
    scale = sensitivity / epsilon * (1.0 + SLACK)
    noise: Any = measurements.make_laplace(*space, scale=scale)
    odometer = combinators.make_fully_adaptive_composition(*space, measures.max_divergence())
    limit = combinators.make_privacy_filter(odometer, d_in=sensitivity, d_out=budget)
    try:
        asked = limit(list(sums))
        if spent > 0:
            asked(_past(measurements.make_user_measurement, space, spent))
        values = asked(noise)
    except OpenDPException as error:
        if _REFUSED not in (error.message or ""):
            raise
        raise _refusal(epsilon, spent, budget) from None
    reach = accuracy.discrete_laplacian_scale_to_accuracy(scale=scale, alpha=ACCURACY_ALPHA)
    return Drawn(
        values=tuple(values),
        epsilon=noise.map(sensitivity),
        spent=asked.privacy_loss(sensitivity),
        scale=scale,
        accuracy=int(reach),
    )


def _past(make: Callable[..., Any], space: tuple[Any, Any], spent: float) -> Any:
    """Return a measurement that tells nothing and costs what was spent already."""
    from opendp import measures  # noqa: PLC0415

    return make(
        *space,
        measures.max_divergence(),
        function=lambda _: 0,
        privacy_map=lambda _: spent,
        TO="i64",
    )


def _refusal(epsilon: float, spent: float, budget: float) -> RequestRefused:
    left = max(0.0, budget - spent)
    detail = (
        f"the year's privacy budget is {budget:g}, of which {left:.6g} is left; "
        f"this asks for {epsilon:g}, and nothing was spent"
    )
    return RequestRefused(
        409, "privacy_budget_spent", detail, budget=budget, spent=spent, epsilon=epsilon
    )
