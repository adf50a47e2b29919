"""What the writer of a mail wrote in it: without quoted and forwarded mail, signatures and markup.

Line by line, by what mail programs write; the words are in `mail.yaml` beside this file.
"""

import re
from collections.abc import Iterable, Sequence
from html import unescape
from importlib import resources

import msgspec
from selectolax.lexbor import LexborHTMLParser

_MARKUP = re.compile(
    r"<(?:!doctype html|/?(?:html|body|div|p|br|table|td|span|blockquote|pre|style|ul|li|a|font))[\s/>]", re.I
)
_PARAGRAPHS = "p, ul, ol, table, h1, h2, h3, h4, h5, h6, pre"
_LINES = "div, br, tr, li, hr"
_QUOTES = (
    "blockquote, .gmail_quote, .gmail_attr, .gmail_signature, .yahoo_quoted, .moz-cite-prefix,"
    " .moz-signature, .protonmail_quote, .protonmail_signature_block, .tutanota_quote, .zmail_extra,"
    " #Signature, #ms-outlook-mobile-signature, script, style, title, template"
)
# Outlook puts it before the mail that is answered, which is not inside it.
_ANSWERED = "#divRplyFwdMsg, #appendonsend, #mail-editor-reference-message-container, .OutlookMessageHeader"
_DIVIDER = "-----Original Message-----"

_LONGEST_ATTRIBUTION = 300
_LONGEST_DEVICE = 80
_LONGEST_LINE_OF_A_BLOCK = 80
_MOST_LINES_OF_A_BLOCK = 10


class _Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of `mail.yaml`, which says what each list is."""

    dividers: list[str]
    forwarded: list[str]
    from_: list[str] = msgspec.field(name="from")
    header: list[str]
    opening: list[str]
    wrote: list[str]
    device: list[str]
    closings: list[str]


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})"


_MAIL = msgspec.yaml.decode(resources.files(__package__).joinpath("mail.yaml").read_bytes(), type=_Mail)
_BREAK = re.compile(
    rf"\s*(?:--|_{{10,}}|[-*]{{2,}}\s*{_any(_MAIL.dividers)}\b.*|{_any(_MAIL.forwarded)}\s*:?"
    r"|this (?:e-?mail|message) (?:and|or|is|may contain|contains)\b.{0,80}"
    r"\b(?:attachments?|confidential|privileged|intended)\b.*)",
    re.I,
)
_FROM = re.compile(rf"[\s*]*{_any(_MAIL.from_)}\s?\*?\s?:[\s*]*\S", re.I)
_HEADER = re.compile(rf"[\s*]*{_any(_MAIL.header)}\s?\*?\s?:", re.I)
_ADDRESS = r"<[^\s<>@]+@[^\s<>@]+>"
_WROTE = re.compile(
    rf"[\s*_]*(?:{_any(_MAIL.opening)}\b|\d).*(?:{_any(_MAIL.wrote)}|{_ADDRESS}).{{0,60}}:[\s*_]*", re.I
)
# A time, a year or an address: "On Monday I called, and your agent wrote:" is the writer's.
_DATED = re.compile(r"\d[:.h]\d\d|\d{4}|@")
_DEVICE = re.compile(rf"\s*{_any(_MAIL.device)}\b.*", re.I)
_CLOSING = re.compile(rf"\s*{_any(_MAIL.closings)}\s?[,.!–-]?", re.I)
_WORD_OF_A_NAME = r"(?:[A-ZÀ-ÞŁŚŻ][\w.'’-]*|von|van|de|der|den|la|di|da|al|bin|&)"
_NAME = re.compile(rf"\s*[-–~*]?\s?{_WORD_OF_A_NAME}(?: {_WORD_OF_A_NAME}){{0,4}}[,.*]?")
_POSTSCRIPT = re.compile(r"\s*p\.? ?s\b", re.I)


def own_words(text: str) -> str:
    """What the writer of `text`, plain or HTML, wrote in it; empty where that is nothing."""
    plain = _plain(text) if _MARKUP.search(text) else unescape(text)
    lines = [line.rstrip() for line in plain.replace("\xa0", " ").replace("\u200b", "").splitlines()]
    return "\n".join(_unsigned(_written(lines))).strip()


def _plain(markup: str) -> str:
    """The text of an HTML mail, without what its mail program marked as quoted or as a signature."""
    if "<pre" not in markup:
        markup = " ".join(markup.split())
    tree = LexborHTMLParser(markup)
    for answered in tree.css(_ANSWERED):
        answered.insert_before(f"\n{_DIVIDER}\n")
    for quote in tree.css(_QUOTES):
        quote.decompose()
    for selector, apart in ((_PARAGRAPHS, "\n\n"), (_LINES, "\n")):
        for block in tree.css(selector):
            block.insert_before(apart)
            block.insert_after(apart if block.tag != "br" else "")
    return tree.body.text() if tree.body is not None else ""


def _written(lines: Sequence[str]) -> list[str]:
    """The lines before a signature or a mail that is answered, without quoted lines between them."""
    written: list[str] = []
    at = 0
    while at < len(lines) and not _BREAK.fullmatch(lines[at]) and not _headed(lines, at):
        line = lines[at]
        behind = _attribution(lines, at)
        if behind is None:
            if not line.lstrip().startswith(">") and not _names_device(line):
                written.append(line)
            at += 1
        elif any(below.lstrip().startswith(">") for below in lines[behind : behind + 3]):
            # Who answers below or between quoted lines goes on after them.
            at = behind
        else:
            break
    return written


def _headed(lines: Sequence[str], at: int) -> bool:
    """Whether the header of another mail begins at this line."""
    return _FROM.match(lines[at]) is not None and any(_HEADER.match(line) for line in lines[at + 1 : at + 5])


def _attribution(lines: Sequence[str], at: int) -> int | None:
    """The index behind "On 3 May 2027 at 10:00, Ann wrote:", of up to three lines, where that begins here."""
    joined = ""
    for behind, line in enumerate(lines[at : at + 3], start=at + 1):
        joined = f"{joined} {line}"
        if not line or len(joined) > _LONGEST_ATTRIBUTION:
            return None
        if joined.rstrip("*_ ").endswith(":"):
            return behind if _WROTE.fullmatch(joined) and _DATED.search(joined) else None
    return None


def _names_device(line: str) -> bool:
    return len(line) <= _LONGEST_DEVICE and _DEVICE.match(line) is not None


def _unsigned(lines: list[str]) -> list[str]:
    """Without a closing such as "Kind regards" that only a name and a few short lines follow."""
    last = [at for at, line in enumerate(lines) if line][-_MOST_LINES_OF_A_BLOCK:]
    for place, at in enumerate(last):
        if _CLOSING.fullmatch(lines[at]) and _is_a_block([lines[each] for each in last[place + 1 :]]):
            return lines[:at]
    return lines


def _is_a_block(lines: Sequence[str]) -> bool:
    return (
        bool(lines)
        and _NAME.fullmatch(lines[0]) is not None
        and not any(len(line) > _LONGEST_LINE_OF_A_BLOCK or _POSTSCRIPT.match(line) for line in lines)
    )
