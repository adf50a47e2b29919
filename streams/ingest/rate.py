"""How fast messages may come: a token bucket."""


class Bucket:
    """`rate` messages a second, and up to a second's worth at once. `now`: seconds of any one clock."""

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate)
        self._at = now

    def take(self, now: float) -> float:
        """0 where a message may come; else in how many seconds the next may."""
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0
