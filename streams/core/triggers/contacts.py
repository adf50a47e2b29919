"""Contacts: a customer has written so many times within a window, about what is not resolved.

    about: customer
    when: {contacts: 3, within: 24h, unresolved: true, channels: [email, chat]}

It is asked of customers' records, which `streams.core.customers` feeds: contacts count across
records and channels, without automatic replies.

It holds from the contact that is the nth within the window, which ends with the latest contact. It
holds no more when a later contact finds fewer, and when issues have closed so that fewer count;
between changes the window does not move. It begins with a contact only: an issue that is opened
again does not bring it back. With `unresolved: false` contacts about closed issues count too.
"""

from typing import Any, ClassVar

from streams.core.calendar import ALWAYS, Calendar
from streams.core.document import Node
from streams.core.record import VISITS, Record, Visit
from streams.core.spans import Span, read_span
from streams.core.timestamps import duration, rfc3339
from streams.core.triggers.trigger import Now, Trigger


class Contacts(Trigger, frozen=True):
    """`count` contacts `within` a span; by one of `channels`, where there are any."""

    reads: ClassVar[frozenset[str]] = frozenset({"visits", "issues"})
    remembers: ClassVar[bool] = True
    graded: ClassVar[bool] = True

    count: int
    within: Span
    unresolved: bool
    channels: frozenset[str]
    calendar: Calendar

    def needs(self) -> frozenset[str]:
        return self.reads if self.unresolved else frozenset({"visits"})

    def since(self, record: Record, before: Record | None, held: int | None, now: Now) -> int | None:
        counted = self._counted(record.visits, record.issues)
        began = self._began(counted)
        if began is None or held is not None:
            return None if began is None else held
        # Without a change it is the rules that are new: they take what they find.
        if now.changed and before is not None and self._counted(before.visits, record.issues) == counted:
            return None
        return began

    def because(self, record: Record, at: int) -> tuple[str, dict[str, Any]]:
        counted = self._counted(record.visits, record.issues)
        latest = self._window(counted)
        issues = list(dict.fromkeys(visit.issue for visit in latest))
        channels = sorted({visit.channel for visit in latest if visit.channel is not None})
        apart = duration(latest[-1].at - latest[0].at) if latest else "0s"
        by = f" by {' and '.join(channels)}" if channels else ""
        return f"{len(latest)} contacts within {apart}{by} about {', '.join(issues)}", {
            "contacts": [
                {"at": rfc3339(visit.at), "about": visit.issue, "channel": visit.channel} for visit in latest
            ],
            "needed": self.count,
            "within": self.within.text,
            "unresolved": {issue: record.issues.get(issue, "closed") for issue in issues},
        }

    def missing(self, record: Record, at: int) -> str:
        counted = self._counted(record.visits, record.issues)
        latest = len(self._window(counted))
        about = " about something unresolved" if self.unresolved else ""
        return f"{latest} of {self.count} contacts within {self.within.text}{about}"

    def level(self, record: Record) -> float | None:
        """How many contacts are in the window."""
        return float(len(self._window(self._counted(record.visits, record.issues))))

    def _counted(self, visits: tuple[Visit, ...], issues: dict[str, str]) -> list[Visit]:
        """The contacts that count, oldest first."""
        return [
            visit
            for visit in visits
            if (not self.unresolved or visit.issue in issues)
            and (not self.channels or visit.channel in self.channels)
        ]

    def _began(self, counted: list[Visit]) -> int | None:
        """Since when each contact has been at least the nth in the window that ends with it."""
        began = None
        for last in range(len(counted) - 1, self.count - 2, -1):
            first = counted[last - self.count + 1].at
            if self.within.after(first, self.calendar) < counted[last].at:
                break
            began = counted[last].at
        return began

    def _window(self, counted: list[Visit]) -> list[Visit]:
        """Those in the window that ends with the latest contact."""
        return [visit for visit in counted if self.within.after(visit.at, self.calendar) >= counted[-1].at]


def read(when: Node, calendar: Calendar | None) -> Contacts:
    when.keys("calendar", "unresolved", "channels", required=("contacts", "within"))
    node = when["contacts"]
    count = node.value
    if type(count) is not int or not 2 <= count <= VISITS:
        node.fail(f"{count!r} is no number of contacts", f"Write a whole number from 2 to {VISITS}")
    within = read_span(when["within"], calendar)
    if not (within.micros or within.days):
        when["within"].fail("a window of no length has one contact in it", "Write a span such as 24h")
    unresolved, channels = when.get("unresolved"), when.get("channels")
    names = [each.text(example="a channel") for each in channels.one_or_many()] if channels else []
    if channels is not None and not names:
        channels.fail("the list of 'channels' is empty", "Take it out, and all count", key=True)
    return Contacts(
        count,
        within,
        unresolved.flag() if unresolved else True,
        frozenset(names),
        calendar or ALWAYS,
    )
