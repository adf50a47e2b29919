"""What the writer of a mail wrote in it."""

import pytest

from streams.core.text.own_words import own_words

PLAIN = {
    "nothing else": ("It is broken.", "It is broken."),
    "empty": ("", ""),
    "blank": (" \n\t\n ", ""),
    "quoted lines": ("> When?\nYesterday.\n>> Which order?\nNumber 5.", "Yesterday.\nNumber 5."),
    "only quoted": ("> I want a refund\n> now", ""),
    "on ... wrote": (
        "Still broken.\n\nOn 3 May 2027 at 10:00, Ann Lee <ann@example.com> wrote:\nold",
        "Still broken.",
    ),
    "wrapped attribution": (
        "Still broken.\n\nOn Mon, 3 May 2027 at 10:00 Ann\n<ann@example.com> wrote:\nold",
        "Still broken.",
    ),
    "answer below the quote": ("On 3 May 2027 at 10:00, Ann wrote:\n\n> When?\n\nYesterday.", "Yesterday."),
    "german attribution": (
        "Kaputt!\n\nAm 03.05.2027 um 10:00 schrieb Ann Lee <ann@example.com>:\n> alt",
        "Kaputt!",
    ),
    "french attribution": (
        "Cassé !\n\nLe 3 mai 2027 à 10:00, Ann <ann@example.com> a écrit :\n> vieux",
        "Cassé !",
    ),
    "spanish attribution": (
        "Roto.\n\nEl 3 may 2027, a las 10:00, Ana <ana@example.com> escribió:\n> viejo",
        "Roto.",
    ),
    "attribution without a verb": ("No.\n\n2027-05-03 10:00 GMT+02:00 Ann <ann@example.com>:\n\nold", "No."),
    "prose like an attribution": (
        "On Monday I called and your agent wrote:\nnothing to do.",
        "On Monday I called and your agent wrote:\nnothing to do.",
    ),
    "outlook header": (
        "No.\n\nFrom: Ann <ann@example.com>\nSent: Monday\nTo: Bob\nSubject: Re: order\n\nold",
        "No.",
    ),
    "bold outlook header": ("No.\n\n*From:* Ann\n*Sent:* Monday\n\nold", "No."),
    "german header": ("Nein.\n\nVon: Ann\nGesendet: Montag\nAn: Bob\nBetreff: AW: x\n\nalt", "Nein."),
    "from in prose": (
        "From: the very first day it failed.\nI am tired.",
        "From: the very first day it failed.\nI am tired.",
    ),
    "original message": ("No.\n\n-----Original Message-----\nFrom: x", "No."),
    "german original message": ("Nein.\n-----Ursprüngliche Nachricht-----\nVon: x", "Nein."),
    "forwarded": (
        "See below.\n\n---------- Forwarded message ---------\nFrom: a@example.com\nfury",
        "See below.",
    ),
    "apple forwarded": ("See below.\n\nBegin forwarded message:\n\nfury", "See below."),
    "only forwarded": ("Begin forwarded message:\n\nI will sue you", ""),
    "outlook line": ("No.\n________________________________\nold", "No."),
    "signature": ("It broke.\n-- \nAnn Lee\nHead of Complaints", "It broke."),
    "telephone": ("It broke again.\n\nSent from my iPhone", "It broke again."),
    "german telephone": ("Wieder kaputt.\n\nVon meinem iPhone gesendet", "Wieder kaputt."),
    "closing and name": ("It broke.\n\nKind regards,\nAnn Lee\nHead of Sales\n+49 30 1234567", "It broke."),
    "german closing": ("Kaputt.\n\nMit freundlichen Grüßen\nAnn von Lee", "Kaputt."),
    "thanks and name": ("It broke.\nThanks,\nAnn", "It broke."),
    "thanks and more to say": (
        "It broke.\nThanks,\nstill waiting for an answer",
        "It broke.\nThanks,\nstill waiting for an answer",
    ),
    "thanks at the end": ("It works now.\nThanks!", "It works now.\nThanks!"),
    "postscript": (
        "It broke.\nRegards,\nAnn\nPS: I will sue you",
        "It broke.\nRegards,\nAnn\nPS: I will sue you",
    ),
    "list": ("I want:\n- a refund\n- an apology", "I want:\n- a refund\n- an apology"),
    "disclaimer": ("No.\n\nThis email and any attachments are confidential.", "No."),
    "entities": ("Tom &amp; Ann &lt;3 it", "Tom & Ann <3 it"),
    "windows line ends": ("It broke.\r\n> old\r\nAgain.", "It broke.\nAgain."),
    "address in angle brackets": ("Write to <p@example.com>!", "Write to <p@example.com>!"),
    "comparison": ("a <b and c> d", "a <b and c> d"),
}

HTML = {
    "paragraphs": (
        "<p>It <b>broke</b>.</p><p>Again&nbsp;&amp; again.</p>",
        "It broke.\n\n\n\nAgain & again.",
    ),
    "lines": ("<div>It broke.<br>Again.</div>", "It broke.\nAgain."),
    "style and script": (
        "<html><head><style>p{}</style></head><body><script>x()</script><p>Hi</p></body></html>",
        "Hi",
    ),
    "gmail": ('<div>No.</div><div class="gmail_quote"><div>On Monday Ann wrote:</div>old</div>', "No."),
    "blockquote": ("<p>No.</p><blockquote type=cite>old</blockquote>", "No."),
    "outlook": ('<div>No.</div><div id="divRplyFwdMsg">From: Ann</div><div>old</div>', "No."),
    "quoted in plain text": ("<div>No.</div><div>-----Original Message-----</div><div>old</div>", "No."),
    "preformatted": ("<pre>No.\n&gt; old\nNever.</pre>", "No.\nNever."),
    "broken markup": ("<div><p>It broke", "It broke"),
    "nothing": ("<html><body></body></html>", ""),
}


@pytest.mark.parametrize(("mail", "words"), PLAIN.values(), ids=PLAIN.keys())
def test_plain_mail(mail: str, words: str) -> None:
    assert own_words(mail) == words


@pytest.mark.parametrize(("mail", "words"), HTML.values(), ids=HTML.keys())
def test_html_mail(mail: str, words: str) -> None:
    assert own_words(mail) == words
