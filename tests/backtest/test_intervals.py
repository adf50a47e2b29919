"""Wilson's interval, against SciPy's."""

import pytest
from scipy.stats import binomtest  # type: ignore[import-untyped]

from streams.backtest.intervals import Share


@pytest.mark.parametrize(
    ("hits", "of"), [(0, 1), (1, 1), (0, 12), (12, 12), (3, 10), (1807, 1974), (1, 5000)]
)
def test_the_interval_is_that_of_scipy(hits: int, of: int) -> None:
    expected = binomtest(hits, of).proportion_ci(confidence_level=0.95, method="wilson")
    assert Share(hits, of).interval() == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_of_few_nothing_is_said() -> None:
    assert str(Share(9, 9)) == "too few to say (9 of 9)"
    assert str(Share(9, 10)).startswith("90.0% (")
    assert Share(0, 0).as_json() == {
        "hits": 0,
        "of": 0,
        "value": None,
        "low": 0.0,
        "high": 1.0,
        "enough": False,
    }
