"""How an escalation reads for people."""

from streams.core.escalation import CALLS, Escalation, Event

_VERBS: dict[Event, str] = {
    "warned": "WARNING",
    "opened": "ESCALATED",
    "advanced": "ESCALATED FURTHER",
    "acknowledged": "ACKNOWLEDGED",
    "snoozed": "SNOOZED",
    "noise": "DISMISSED AS NOISE",
    "reopened": "REOPENED",
    "resolved": "RESOLVED",
    "withdrawn": "WITHDRAWN",
}


def text(escalation: Escalation) -> str:
    """A few lines: what, who is told, who gets it, and why them; one line where nobody has to act."""
    backlog = " (backlog)" if escalation.digest else ""
    first = f"{escalation.at}  {_VERBS[escalation.event]}{backlog}  {escalation.summary}"
    if escalation.event not in CALLS:
        return f"{first} (told: {', '.join(escalation.notify) or 'nobody'})"
    # Warnings are counted by themselves.
    what = "warning" if escalation.event == "warned" else "step"
    lines = [
        first,
        f"    path {escalation.path}, {what} {escalation.step}, severity {escalation.severity}",
    ]
    lines += [
        f"    {person['for']} {' and '.join(person['found']) or 'nobody'}: {person['because']}"
        for person in escalation.reason.get("people", ())
    ]
    return "\n".join(lines)
