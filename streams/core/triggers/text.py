"""Text: the customer has written or said what nobody should overlook.

    when: {text: {phrases: standard, sentiment: negative}}
    when:
      text:
        phrases: {without: [outage, still waiting], plus: [pull the plug]}
        sentiment: {negativity: 0.7}

Either is enough: one of the phrases, or a negativity from the threshold on. Only what the customer
wrote counts, their own words without quoted mail and signatures, and no automatic reply; where the
feed does not say who wrote, nothing does. A negativity that the feed brings is used instead of ours,
which is for English: of another language it is nothing.

It holds from the message until one of us answers or the record closes. Another message of the
customer, calm or not, changes nothing about that. A message that comes to a closed record counts
once that is open again; one that a first snapshot shows does not, since nobody knows whether it
has been answered.
"""

from functools import lru_cache
from typing import Any, ClassVar

from streams.core.calendar import Calendar
from streams.core.customers import wrote
from streams.core.document import Node, did_you_mean
from streams.core.record import Heard, Record
from streams.core.text.own_words import own_words
from streams.core.text.phrases import OWN, Found, Phrases, phrases, standard
from streams.core.text.sentiment import THRESHOLD, Score, sentiment
from streams.core.timestamps import rfc3339
from streams.core.triggers.trigger import Now, Trigger


class Text(Trigger, frozen=True):
    """Which `phrases` count, and the negativity from which a message does; None for none."""

    reads: ClassVar[frozenset[str]] = frozenset({"heard", "replied", "status", "deleted", "merged"})
    remembers: ClassVar[bool] = True
    graded: ClassVar[bool] = True

    phrases: Phrases | None
    threshold: float | None

    def needs(self) -> frozenset[str]:
        return frozenset({"heard", "by"})

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        if not record.alive and (before is None or before.alive):
            return None
        since = held
        if since is None and record.heard is not None and _is_new(record, before, now):
            since = record.heard.at if self._counts(record.heard) else None
        return None if since is None or _is_answered(record, since, now) else since

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        """Tells of the latest message; the one that began it may be an earlier one, which is not kept."""
        heard = record.heard
        if heard is None:
            return "nothing has been said", {}
        details: dict[str, Any] = {"at": rfc3339(heard.at), "by": heard.by, "channel": heard.said.channel}
        earlier = "the customer waits for an answer to an earlier message"
        if not wrote(heard.by, heard.said):
            return earlier, details
        found = self._found(heard)
        negativity = _negativity(heard)
        because = _because(heard)
        if self.phrases is not None:
            details["phrases"] = [each.words for each in found]
        if self.threshold is not None:
            details |= {
                "negativity": negativity,
                "threshold": self.threshold,
                "sentiment": _rests_on(heard),
                "words": because,
            }
        said = [f'"{each.words}"' for each in found]
        if self.threshold is not None and negativity is not None and negativity >= self.threshold:
            words = ", ".join(each["words"] for each in because)
            said.append(f"negativity {negativity:g}{f' ({words})' if words else ''}")
        if not said:
            return earlier, details
        by = f" by {heard.said.channel}" if heard.said.channel else ""
        return f"the customer wrote{by}: {'; '.join(said)}", details

    def missing(self, record: Record, at: int) -> str:
        heard = record.heard
        if heard is None:
            return "nothing has been said"
        if not wrote(heard.by, heard.said):
            return f"the latest message, of {rfc3339(heard.at)}, is not the customer's"
        if self._counts(heard):
            return f"what the customer wrote at {rfc3339(heard.at)} has been answered"
        parts = [] if self.phrases is None else ["none of the phrases"]
        if self.threshold is not None:
            negativity = _negativity(heard)
            how = _rests_on(heard) if negativity is None else f"{negativity:g}, {self.threshold:g} is needed"
            parts.append(f"a negativity of {how}")
        return f"what the customer wrote at {rfc3339(heard.at)} has {' and '.join(parts)}"

    def level(self, record: Record) -> float | None:
        """The negativity of the latest message, if it is the customer's."""
        heard = record.heard
        return _negativity(heard) if heard is not None and wrote(heard.by, heard.said) else None

    def _counts(self, heard: Heard) -> bool:
        if not wrote(heard.by, heard.said):
            return False
        if self._found(heard):
            return True
        if self.threshold is None:
            return False
        negativity = _negativity(heard)
        return negativity is not None and negativity >= self.threshold

    def _found(self, heard: Heard) -> tuple[Found, ...]:
        return () if self.phrases is None else self.phrases.find(_own_words(heard.said.text))


def _is_new(record: Record, before: Record | None, now: Now) -> bool:
    """Whether the latest message is to be looked at: it came just now, or the rules did."""
    return ("heard" in now.changed and before is not record) or (not now.changed and record.alive)


def _is_answered(record: Record, since: int, now: Now) -> bool:
    replied = record.replied
    # Of two at the same moment the one that is told later is the later.
    return replied is not None and (replied > since or (replied == since and "replied" in now.changed))


# The reason of a step asks again for what the message that opened the episode was judged by, and so does the
# next path.
_own_words = lru_cache(maxsize=256)(own_words)


@lru_cache(maxsize=256)
def _score(text: str) -> Score | None:
    return sentiment(_own_words(text))


def _negativity(heard: Heard) -> float | None:
    """From -1 to 1; None where that cannot be said."""
    if heard.said.negativity is not None:
        return heard.said.negativity
    score = _score(heard.said.text)
    return None if score is None else score.negativity


def _because(heard: Heard) -> list[dict[str, Any]]:
    """The words that moved our own score."""
    score = None if heard.said.negativity is not None else _score(heard.said.text)
    return [
        {"words": each.words, "category": each.category, "weight": each.weight}
        for each in (score.because if score is not None else ())
    ]


def _rests_on(heard: Heard) -> str:
    if heard.said.negativity is not None:
        return "brought by the feed"
    if not _own_words(heard.said.text):
        return "none: no words of the customer's own"
    return "none: only English is judged" if _score(heard.said.text) is None else "by the words"


def read(when: Node, calendar: Calendar | None) -> Text:
    when.keys("calendar", required=("text",))
    text = when["text"]
    text.keys("phrases", "sentiment")
    looked_for, mood = text.get("phrases"), text.get("sentiment")
    if looked_for is None and mood is None:
        text.fail("`text` looks for nothing", "Add `phrases: standard`, `sentiment: negative` or both")
    return Text(_read_phrases(looked_for) if looked_for else None, _read_threshold(mood) if mood else None)


def _read_phrases(node: Node) -> Phrases:
    if not isinstance(node.value, dict):
        if isinstance(node.value, list):
            node.fail(
                "a list of phrases does not say whether the standard ones count too",
                "Write `{plus: [...]}`, and `standard: false` beside it where they do not",
            )
        node.choice("standard")
        return phrases()
    node.keys("standard", "without", "plus")
    flag, without, plus = node.get("standard"), node.get("without"), node.get("plus")
    with_standard = flag.flag() if flag else True
    added = [_read_phrase(each) for each in plus.one_or_many()] if plus else []
    if not with_standard:
        if without is not None:
            without.fail("nothing is left of the standard list as it is", "Take `without` out", key=True)
        if not added:
            node.fail("there are no phrases to look for", "Add `plus: [...]`, or take `standard: false` out")
        return Phrases({OWN: added})
    left_out = [_read_listed(each) for each in without.one_or_many()] if without else []
    return phrases(without=left_out, plus=added)


def _read_phrase(node: Node) -> str:
    phrase = node.text(example="a phrase such as speak to|with the board")
    try:
        Phrases({OWN: [phrase]})
    except ValueError as error:
        node.fail(
            str(error),
            "Write words; a|b is either, word? may be absent, word* is a beginning",
        )
    return phrase


def _read_listed(node: Node) -> str:
    phrase = node.text(example="a section or a phrase of the standard list")
    listed = standard()
    known = [*listed, *(each for section in listed.values() for each in section)]
    if phrase not in known:
        remedy = f"{did_you_mean(phrase, known)}Write a listed phrase, or a section: {', '.join(listed)}"
        node.fail(f"{phrase!r} is not in the standard list", remedy)
    return phrase


def _read_threshold(node: Node) -> float:
    if not isinstance(node.value, dict):
        node.choice("negative")
        return THRESHOLD
    node.keys(required=("negativity",))
    bound = node["negativity"]
    number = bound.value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= 1:
        bound.fail(f"{number!r} is no negativity to begin at", "Write a number above 0, up to 1")
    return float(number)
