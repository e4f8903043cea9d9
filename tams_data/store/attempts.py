"""How often what failed is tried again, and when: for jobs whose rows each have a time of their own."""

from __future__ import annotations

MOST_ATTEMPTS = 16
"""So often in a row something fails before it is given up: within some seven hours."""

LONGEST_S = 3600


def retry_s(attempts: int) -> int:
    """How long to wait after so many failed attempts, in seconds: 10, 20, 40 … an hour.

    >>> [retry_s(attempts) for attempts in (1, 2, 9, 15)]
    [10, 20, 2560, 3600]
    """
    return int(min(10 * 2 ** (attempts - 1), LONGEST_S))
