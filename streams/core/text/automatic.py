"""Whether nobody wrote a message: out of office, not delivered, received."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

import msgspec

from streams.core.text.own_words import own_words
from streams.core.text.phrasebook import Phrasebook
from streams.core.text.tokens import Token, tokens

# A person may well write the same further down, about somebody else's mail.
_FIRST = 400


class _Beginnings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: dict[str, list[str]]
    text: dict[str, list[str]]


def _read() -> tuple[Phrasebook[None], Phrasebook[None]]:
    content = resources.files(__package__).joinpath("automatic.yaml").read_bytes()
    beginnings = msgspec.yaml.decode(content, type=_Beginnings)
    return _book(beginnings.subject.values()), _book(beginnings.text.values())


def _book(entries: Iterable[list[str]]) -> Phrasebook[None]:
    return Phrasebook((entry, None) for entry in itertools.chain.from_iterable(entries))


_SUBJECTS, _TEXTS = _read()
_PRECEDENCES = frozenset({"bulk", "junk", "auto_reply", "auto-reply"})


def is_automatic(text: str, *, subject: str | None = None, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a machine sent the mail, by its `headers` (RFC 3834 and older customs), its `subject` and
    how its `text` begins. Names of headers are read in any case.
    """
    return (
        _headers_say_so(headers or {})
        or (subject is not None and _begins(subject))
        or _says_so(tokens(own_words(text)[:_FIRST]))
    )


def _headers_say_so(headers: Mapping[str, str]) -> bool:
    given = {name.lower(): value.strip().lower() for name, value in headers.items()}
    return (
        given.get("auto-submitted", "no").split(";")[0].strip() != "no"
        or any(given.get(name, "no") != "no" for name in ("x-autoreply", "x-autorespond", "x-autoresponder"))
        or given.get("precedence") in _PRECEDENCES
        or "x-failed-recipients" in given
        or given.get("return-path") == "<>"
        or given.get("content-type", "").startswith("multipart/report")
    )


def _begins(subject: str) -> bool:
    said = tokens(subject)
    match = _SUBJECTS.longest(said, 0)
    # One word alone says it only before a colon: "Read: your offer", not "Read this".
    return match is not None and (match.end > 1 or match.end == len(said) or said[match.end].text == ":")


def _says_so(said: Sequence[Token]) -> bool:
    return any(_TEXTS.longest(said, at) is not None for at in range(len(said)))
