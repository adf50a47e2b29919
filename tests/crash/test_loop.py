"""The kill loop, a short one."""

from pathlib import Path

import pytest

from tests.brokers import Unavailable
from tests.crash.loop import Loop, started
from tests.crash.site import Site

pytestmark = pytest.mark.broker

KILLS = 8


def test_whatever_is_killed_nothing_is_lost_made_up_or_said_twice(tmp_path: Path, topic_prefix: str) -> None:
    try:
        with started("kafka") as (address, kafka):
            outcome = Loop(Site(tmp_path, address, topic_prefix), seed=3, kafka=kafka, pause=0.7).run(KILLS)
    except Unavailable as error:
        pytest.skip(f"no Apache Kafka of our own: {error}")
    assert not outcome.verdict.wrong
    assert outcome.verdict.escalations > 50
    assert outcome.verdict.alone > 20
    assert outcome.done["kill"] + outcome.done["broker"] == KILLS
