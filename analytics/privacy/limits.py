"""Every limit of aggregates with noise, with its unit."""

from __future__ import annotations

from typing import Final

EPSILON_MIN: Final = 0.001
"""Least privacy loss of a release: with `BUDGET_EPSILON_MAX` a year has 10,000 at most."""
BUDGET_EPSILON_MAX: Final = 10.0
"""Largest budget of a year: beyond it the noise hides little."""
BUDGET_EPSILON_DEFAULT: Final = 1.0
"""Budget of a year unless the node's configuration says otherwise."""
PAYMENTS_MAX: Final = 1_000_000
"""Most payments of an account that may count in a group."""
PAYMENTS_DEFAULT: Final = 10
"""Payments of an account that count in a group unless told otherwise."""
GROUPS_MAX: Final = 366
"""Most groups that an account may count in."""
ACCURACY_ALPHA: Final = 0.05
"""Share of values that are further from the bounded one than the accuracy that is told."""
VALUE_MAX: Final = 2**62
"""Where a bounded sum is cut: noise must still fit 64 bits."""
RELEASES_PAGE_MAX: Final = 1_000
"""Most releases of one answer."""
