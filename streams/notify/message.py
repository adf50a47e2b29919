"""How an escalation reads for people."""

from streams.core.escalation import Escalation

_VERBS = {"opened": "ESCALATED", "advanced": "ESCALATED FURTHER", "resolved": "RESOLVED"}


def text(escalation: Escalation) -> str:
    """A few lines: what, who is told, who gets it, and why them."""
    lines = [f"{escalation.at}  {_VERBS[escalation.event]}  {escalation.summary}"]
    if escalation.event == "resolved":
        return f"{lines[0]} (told: {', '.join(escalation.notify) or 'nobody'})"
    lines.append(f"    path {escalation.path}, step {escalation.step}, severity {escalation.severity}")
    lines += [
        f"    {person['for']} {' and '.join(person['found'])}: {person['because']}"
        for person in escalation.reason.get("people", ())
    ]
    return "\n".join(lines)
