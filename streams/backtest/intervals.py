"""How sure a share is that was counted on few records."""

from math import sqrt
from typing import Any

import msgspec

FEW = 10
"""Of fewer than so many nothing is said: the interval would be half as wide as everything there is."""

_Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: 2.5 % on either side of the interval."""


class Share(msgspec.Struct, frozen=True):
    """`hits` out of `of`, which may be 0."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def enough(self) -> bool:
        """Whether there are enough to say anything."""
        return self.of >= FEW

    def interval(self) -> tuple[float, float]:
        """The Wilson score interval at 95 %; from 0 to 1 where there is nothing.

        Edwin B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
        the American Statistical Association 22 (1927), 209-212. Unlike the textbook's normal one it stays
        within 0 and 1, and has a width where none or all are hits.
        """
        if not self.of:
            return 0.0, 1.0
        share, square = self.hits / self.of, _Z * _Z
        middle = (share + square / (2 * self.of)) / (1 + square / self.of)
        spread = share * (1 - share) / self.of + square / (4 * self.of * self.of)
        half = _Z * sqrt(spread) / (1 + square / self.of)
        # At the ends it is exact but for rounding.
        low = 0.0 if not self.hits else middle - half
        return low, 1.0 if self.hits == self.of else middle + half

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval()
        return {
            "hits": self.hits,
            "of": self.of,
            "value": self.value,
            "low": low,
            "high": high,
            "enough": self.enough,
        }

    def __str__(self) -> str:
        if self.value is None:
            return "none to say"
        if not self.enough:
            return f"too few to say ({self.hits} of {self.of})"
        low, high = self.interval()
        return f"{self.value:.1%} ({low:.1%} to {high:.1%}; {self.hits:,} of {self.of:,})"
