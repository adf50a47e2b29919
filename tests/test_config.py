"""The configuration: what is wrong with it is found, all of it, and shown where it stands.

Each NAME.yaml in tests/golden/config is the good configuration with one thing wrong (`several`
has more), NAME.txt is what a user sees. UPDATE_GOLDEN=1 writes the latter anew.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.config import Channel, ConfigError, Live, load
from streams.diagnostics import Diagnostic, render
from streams.secret import Secret
from streams.yaml_source import MAX_BYTES, read_yaml

GOLDEN = Path(__file__).parent / "golden" / "config"
GOOD = (GOLDEN / "good.yaml").read_text(encoding="utf-8")

# Line and column (from 1) and message; no line for what is wrong with the file as a whole.
WRONG: dict[str, tuple[int | None, int | None, str]] = {
    "billion-laughs": (8, 7, "there are too many values here"),
    "broken-yaml": (50, 16, "this is no YAML: mapping values are not allowed here"),
    "currency-needed": (51, 12, "this needs the currency of a deal, which no feed brings"),
    "duplicate-key": (31, 5, "duplicate key 'about'"),
    "duplicate-path": (38, 3, "duplicate path 'ticket-untouched'"),
    "empty": (None, None, "the file is empty"),
    "field-needed": (39, 12, "this needs the stage of a ticket, which no feed brings"),
    "list": (1, 1, "the file is a list"),
    "long-line": (26, 192, "'berta' is not in `people`"),
    "manager-cycle": (23, 28, "managers form a circle: anna -> bert -> anna"),
    "merge": (24, 10, "merging with `<<` is not read"),
    "missing-calendar": (32, 49, "there is no calendar 'suport'"),
    "missing-fallback": (None, None, "there is no `fallback`"),
    "no-feeds": (None, None, "there are no `feeds`"),
    "second-document": (17, 1, "a second document begins here"),
    "span-without-unit": (35, 16, "the span 4 has no unit"),
    "step-does-nothing": (41, 13, "a step does nothing"),
    "tab": (24, 1, "a tab cannot indent"),
    "tag": (17, 7, "tags are not read"),
    "too-deep": (2, 58, "values lie too deep in each other"),
    "two-feeds-one-topic": (
        15,
        12,
        "the topic 'helpdesk.public.ticket' is read by two feeds, 'tickets' and 'deals'",
    ),
    "unclosed": (26, 11, "what begins here does not end"),
    "unknown-alias": (27, 11, "no `&boss` stands before this"),
    "unknown-field": (31, 13, "no feed brings a field 'contry' of a ticket"),
    "unknown-format": (14, 13, "'debezum' is not known here"),
    "unknown-key-in-step": (35, 9, "unknown key 'afterwards'"),
    "unknown-key": (57, 1, "unknown key 'lives'"),
    "unknown-kind": (50, 12, "no feed brings records of the kind 'deals'"),
    "unknown-operator": (51, 21, "'under' is no operator"),
    "unknown-person": (36, 17, "'berta' is not in `people`"),
    "unknown-stage-operator": (40, 23, "unknown key 'longer_than'"),
    "unknown-team": (37, 19, "'team:triaage' is not in `teams`"),
    "unknown-trigger": (40, 12, "unknown key 'in_stagee'"),
    "webhook-not-encrypted": (55, 19, "the webhook is not encrypted"),
    "webhook-secret": (55, 19, "the webhook carries a password or a token"),
    "wide-characters": (31, 32, "no feed brings a field 'contry' of a ticket"),
    "working-days-without-calendar": (32, 23, "'2 working days' needs a calendar"),
    "wrong-country": (21, 16, "'Norway' is no holiday"),
    "wrong-version": (1, 10, "the version 2 is not known"),
    "wrong-window": (20, 39, "'9-15' is no window"),
    "wrong-zone": (17, 7, "'Europe/Olso' is no time zone"),
}


@pytest.fixture(autouse=True)
def _in_golden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name the file as the user did: here, without folders."""
    monkeypatch.chdir(GOLDEN)


def problems(path: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.diagnostics


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "escalations.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_bytes(text.encode())
    assert text.encode() == file.read_bytes()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_shown_where_it_stands(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path(f"{name}.yaml"))
    (problem,) = caught.value.diagnostics
    assert (problem.line, problem.column, problem.message) == WRONG[name]
    golden(name, f"{caught.value}\n")


def test_how_people_are_reached_does_not_travel_with_the_rules(tmp_path: Path) -> None:
    people = GOOD.replace("  bert:", "  zoe: {email: zoe@example.com, manager: bert}\n  bert:", 1)
    config = load(written(tmp_path, people))
    assert "zoe" in config.rules.directory.people
    assert "example.com" not in str(config.rules.document)


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path("several.yaml"))
    lines = [problem.line or 0 for problem in caught.value.diagnostics]
    assert lines == sorted(lines)
    assert len(lines) == 9
    golden("several", f"{caught.value}\n")


def test_every_golden_file_is_used() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {*WRONG, "several", "good"}


def test_a_good_file_loads() -> None:
    config = load(Path("good.yaml"))
    assert list(config.feeds) == ["tickets", "deals"]
    assert config.rules.feeds == ("tickets", "deals")
    assert [path.name for path in config.rules.paths] == [
        "ticket-untouched",
        "ticket-stalled",
        "ticket-resolution",
        "deal-big",
    ]
    assert config.notify["console"] == Channel("console", prints=True)
    assert config.live == Live(partitions=8, tick=0.5)
    assert config.summary() == (
        f"good.yaml: 2 feeds, 4 paths, 2 people, 2 channels; version {config.rules.version}"
    )


RECORD = {"kind": "ticket", "id": "id"}
STAGE: dict[str, Any] = {"stage": {"field": "status", "closed": ["closed"]}}
WROTE: dict[str, Any] = {"by": "role", "said": {"text": "body"}}

# A path's condition, what is mapped without it being enough, what is said then, and what makes it enough.
NEEDS: list[tuple[dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    ({"in_stage": "6 weeks"}, {}, "stage", {"stage": "status"}),
    (
        {"value": {"crosses": "9 EUR"}},
        {"value": "amount"},
        "currency",
        {"value": {"field": "a", "currency": "c"}},
    ),
    ({"health": {"falls_below": 50}}, {}, "health", {"health": "score"}),
    ({"clock": "resolution", "target": {"high": "4h"}}, {}, "priority", {"priority": "p"}),
    ({"clock": "first_response", "target": "4h"}, {"by": "role"}, "first answer", WROTE),
    (
        {"clock": "first_response", "target": "4h"},
        {"said": {"text": "t"}},
        "first answer",
        {"responded": "at"},
    ),
    ({"clock": "next_response", "target": "4h"}, {"responded": "at"}, "open question", {"contacts": "n"}),
    ({"clock": "periodic_update", "target": "4h"}, {"asked": "at"}, "latest answer", {"replied": "at"}),
    ({"text": {"phrases": "standard"}}, {"by": "role"}, "messages", WROTE),
    ({"text": {"phrases": "standard"}}, {"said": {"text": "t"}}, "author of each change", WROTE),
    ({"untouched": {"for": "8d", "by": ["person"]}}, {}, "author of each change", {"by": "role"}),
    ({"untouched": {"for": "8d", "unless_planned": True}}, {}, "next activity", {"planned": "at"}),
    ({"untouched": {"for": "8d", "fields": ["tier"]}}, {}, "tier", {"fields": ["tier"]}),
]


@pytest.mark.parametrize(("when", "mapped", "missing", "enough"), NEEDS)
def test_a_path_gets_what_its_trigger_needs(
    tmp_path: Path, when: dict[str, Any], mapped: dict[str, Any], missing: str, enough: dict[str, Any]
) -> None:
    def configured(**record: Any) -> Path:
        feed = {"format": "debezium", "topic": "t", "record": {**RECORD, **record}}
        path = {"about": "ticket", "when": when, "steps": [{"notify": "bert"}]}
        document = {"version": 1, "feeds": {"t": feed}, "people": {"bert": None}, "fallback": "bert"}
        return written(tmp_path, json.dumps({**document, "paths": {"p": path}}))

    (problem,) = problems(configured(**mapped))
    assert problem.message == f"this needs the {missing} of a ticket, which no feed brings"
    assert problem.where == "paths.p.when"
    assert problem.remedy.endswith("under `record` of the feed: t")
    assert load(configured(**{**mapped, **enough}))


@pytest.mark.parametrize("when", [{"untouched": "8d"}, {"clock": "resolution", "target": "4h"}])
def test_some_triggers_need_nothing(tmp_path: Path, when: dict[str, Any]) -> None:
    text = GOOD.replace("{untouched: 2 working days, calendar: support}", json.dumps(when))
    assert load(written(tmp_path, text))


def test_a_condition_on_money_needs_its_currency(tmp_path: Path) -> None:
    text = GOOD.replace("{field: amount, currency: currency}", "amount")
    text = text.replace("when: {value: {crosses: 250000 EUR}}", "when: {untouched: 8d}")
    (problem,) = problems(written(tmp_path, text))
    assert problem.message == "this needs the currency of a deal, which no feed brings"
    assert problem.where == "paths.deal-big.where"
    assert (problem.line, problem.column) == (51, 13)


def test_conditions_may_ask_for_what_follows_from_messages(tmp_path: Path) -> None:
    text = GOOD.replace("where: {country: NO}", "where: {any: [{asked: {empty: true}}]}")
    (problem,) = problems(written(tmp_path, text))
    assert problem.message == "no feed brings a field 'asked' of a ticket"
    assert problem.where == "paths.ticket-untouched.where.any[0]"
    text = text.replace("fields: {country: country_code}", "by: role\n      said: {text: body}")
    assert load(written(tmp_path, text))
    for name in ("said", "by", "heard"):
        (problem,) = problems(written(tmp_path, text.replace("{asked: {empty: true}}", f"{{{name}: x}}")))
        assert problem.message == f"no feed brings a field {name!r} of a ticket"


def test_settings_have_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD[: GOOD.index("\nnotify:") + 1]))
    assert config.notify == {}
    assert config.live == Live(
        partitions=4, replication=1, prefix="crm.", tick=1.0, lag=0.0, batch=10_000, app="escalations"
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("partitions: 0", "0 is no number of partitions"),
        ("partitions: true", "True is no number of partitions"),
        ("replication: '3'", "'3' is no number of replication"),
        ("prefix: crm/", "'crm/' cannot be part of a topic's name"),
        ("app: a b", "'a b' cannot be part of a topic's name"),
        ("tick: 5", "the span 5 has no unit"),
        ("tick: 0s", "the span '0s' is empty"),
        ("broker: 'localhost:9092'", "unknown key 'broker'"),
    ],
)
def test_live_settings_are_checked(tmp_path: Path, setting: str, message: str) -> None:
    text = GOOD[: GOOD.index("live:")] + f"live: {{{setting}}}\n"
    assert [problem.message for problem in problems(written(tmp_path, text))] == [message]


def test_a_fields_position_survives_an_alias(tmp_path: Path) -> None:
    """An alias is reported where it is used, what lies in it where it is written."""
    text = GOOD.replace("steps: [{notify: owner}]", "steps: &steps [{notify: berta}]").replace(
        "steps: [{notify: owner.manager}]", "steps: *steps"
    )
    (first, second) = problems(written(tmp_path, text))
    assert first.where == "paths.ticket-stalled.steps[0].notify"
    assert second.where == "paths.deal-big.steps[0].notify"
    assert (first.line, first.column) == (second.line, second.column)


class TestPlainWords:
    """YAML 1.2, and text wherever an id or a date could be meant."""

    @pytest.mark.parametrize(
        ("word", "value"),
        [
            ("NO", "NO"),
            ("yes", "yes"),
            ("off", "off"),
            ("true", True),
            ("False", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("09:00", "09:00"),
            ("1:30", "1:30"),
            ("190:20:30", "190:20:30"),
            ("2026-12-24", "2026-12-24"),
            ("2026-12-24T09:00:00Z", "2026-12-24T09:00:00Z"),
            ("007", "007"),
            ("0x1F", "0x1F"),
            ("0o17", "0o17"),
            ("1_000", "1_000"),
            ("42", 42),
            ("-1", -1),
            ("12345678901234567890", "12345678901234567890"),
            ("1.5", 1.5),
            ("1e3", "1e3"),
            (".inf", ".inf"),
            (".nan", ".nan"),
            ("'42'", "42"),
            ('"true"', "true"),
        ],
    )
    def test_word(self, tmp_path: Path, word: str, value: Any) -> None:
        data = read_yaml(written(tmp_path, f"x: {word}\n"), {}).data["x"]
        assert data == value
        assert type(data) is type(value)

    def test_keys_are_text(self, tmp_path: Path) -> None:
        path = written(tmp_path, "{1: a, true: b, 2026-12-24: c, ~: d, no: e}")
        assert list(read_yaml(path, {}).data) == ["1", "true", "2026-12-24", "~", "no"]

    def test_norway_and_opening_hours_reach_the_rules(self) -> None:
        config = load(Path("good.yaml"))
        assert config.rules.paths[0].where[0].wanted == "NO"
        assert config.rules.document["calendars"]["support"]["open"]["fri"] == "09:00-15:00"
        assert config.rules.directory.people["anna"].ids == ("007",)


class TestUnreadable:
    """Each is one clear sentence, whatever the file is."""

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "none.yaml"
        assert [each.message for each in problems(path)] == ["there is no such file"]

    def test_folder(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path)
        assert problem.message == "the file cannot be read: Is a directory"

    def test_not_utf8(self, tmp_path: Path) -> None:
        (problem,) = problems(written(tmp_path, b"version: 1\nfeeds: caf\xe9\n"))
        assert problem.message == "the file is not UTF-8: see line 2"

    def test_too_large(self, tmp_path: Path) -> None:
        (problem,) = problems(written(tmp_path, b"#" * (MAX_BYTES + 1)))
        assert problem.message == "the file is larger than 1 MiB"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "the file is empty"),
            ("---\n", "the file is empty"),
            ("hello", "the file is a single value"),
            ("a: \x07", "the character '\\x07' is not allowed"),
            ('a: "\\ud83d"', "'\\ud83d' is half a character"),
            ("? [a]\n: b", "this key is no text"),
            ("a: &x [*x]", "no `&x` stands before this"),
        ],
    )
    def test_text(self, tmp_path: Path, text: str, message: str) -> None:
        assert [each.message for each in problems(written(tmp_path, text))] == [message]

    @pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"', "%YAML 1." + "9" * 5000 + "\n---\na: b"])
    def test_what_the_yaml_library_trips_over(self, tmp_path: Path, text: str) -> None:
        (problem,) = problems(written(tmp_path, text))
        assert problem.message.startswith("this is no YAML: ")

    def test_a_byte_order_mark_is_no_problem(self, tmp_path: Path) -> None:
        assert load(written(tmp_path, "\ufeff" + GOOD))

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends_of_other_systems(self, tmp_path: Path, end: str) -> None:
        text = GOOD.replace("after: 4h", "after: 4").replace("\n", end)
        (problem,) = problems(written(tmp_path, text))
        assert (problem.line, problem.column, problem.excerpt) == (35, 16, "      - after: 4")


class TestChannels:
    def channel(self, tmp_path: Path, webhook: str) -> Channel:
        path = written(tmp_path, GOOD.replace("env:DESK_WEBHOOK", webhook))
        return load(path).notify["desk"]

    def test_url_from_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        channel = self.channel(tmp_path, "env:DESK_WEBHOOK")
        monkeypatch.setenv("DESK_WEBHOOK", "https://desk.example/hook?token=swordfish")
        assert channel.url() == "https://desk.example/hook?token=swordfish"

    def test_url_from_a_file_beside_the_configuration(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path, "file:secrets/desk")
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "desk").write_text("https://desk.example/hook\n")
        assert channel.url() == "https://desk.example/hook"

    @pytest.mark.parametrize(
        "url", ["https://desk.example/hook", "http://localhost:8080/", "http://127.0.0.1/", "http://[::1]/x"]
    )
    def test_url_that_is_no_secret(self, tmp_path: Path, url: str) -> None:
        assert self.channel(tmp_path, url).url() == url

    @pytest.mark.parametrize(
        "webhook",
        [
            "https://",
            "ftp://desk.example",
            "http://[::1",
            "https://h:99999/",
            "desk.example",
            "env:",
            "file:",
        ],
    )
    def test_no_url(self, tmp_path: Path, webhook: str) -> None:
        assert len(problems(written(tmp_path, GOOD.replace("env:DESK_WEBHOOK", webhook)))) == 1

    def test_no_secret_is_shown(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path, "https://desk.example/swordfish")
        assert "swordfish" not in repr(channel)
        for line in ('webhook: "https://anna:swordfish@h/"', "webhok: https://h/swordfish"):
            text = GOOD.replace('webhook: "env:DESK_WEBHOOK"', line)
            with pytest.raises(ConfigError) as caught:
                load(written(tmp_path, text))
            assert "swordfish" not in f"{caught.value}{caught.value!r}"

    @pytest.mark.parametrize("value", ["swordfish", "ftp://swordfish"])
    def test_a_variable_without_a_url(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("DESK_WEBHOOK", value)
        with pytest.raises(ValueError, match=r"^desk: env:DESK_WEBHOOK holds no http or https URL$"):
            Channel("desk", Secret(env="DESK_WEBHOOK")).url()

    def test_a_variable_that_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DESK_WEBHOOK", raising=False)
        with pytest.raises(ValueError, match=r"^desk: the environment variable DESK_WEBHOOK is not set"):
            Channel("desk", Secret(env="DESK_WEBHOOK")).url()

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cannot be read"):
            Channel("desk", Secret(path=tmp_path / "none")).url()

    def test_a_channel_without_a_webhook(self) -> None:
        assert Channel("console", prints=True).url() is None


class TestRendering:
    def diagnostic(self, excerpt: str, meant: str) -> Diagnostic:
        column = excerpt.index(meant) + 1
        return Diagnostic("f.yaml", "wrong", "Right it", "a.b", 7, column, len(meant), excerpt)

    def carets(self, excerpt: str, meant: str) -> tuple[str, str]:
        lines = render(self.diagnostic(excerpt, meant)).splitlines()
        return lines[3], lines[4]

    def test_form(self) -> None:
        assert render(self.diagnostic("a: {b: c}", "c")).splitlines() == [
            "error: wrong (a.b)",
            " --> f.yaml:7:8",
            "  |",
            "7 | a: {b: c}",
            "  |        ^",
            "  | Right it",
        ]

    def test_wide_characters_take_two_columns(self) -> None:
        assert self.carets("日本: 한국", "한국")[1] == "  | " + " " * 6 + "^^^^"

    def test_combining_characters_take_none(self) -> None:
        assert self.carets("cafe\u0301: x", "x")[1] == "  | " + " " * 6 + "^"

    def test_tabs_stay_tabs(self) -> None:
        assert self.carets("a:\tx", "x") == ("7 | a:\tx", "  |   \t^")

    def test_control_characters_are_not_printed(self) -> None:
        assert self.carets("a\x1b[31m: x", "x") == ("7 | a\ufffd[31m: x", "  |         ^")

    def test_long_lines_are_clipped_around_the_carets(self) -> None:
        line, carets = self.carets("x" * 500 + "here" + "y" * 500, "here")
        assert len(line) < 110
        assert line[carets.index("^") :].startswith("here")
        assert carets.count("^") == 4


WORDS = [*"{}[]:'\"|>#%~-&*!0é日\0\ud800\n\t", "  ", "- ", "<<", "&a", "*a", "!x", "1e999", "NO", "---\n"]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["9999999999w", "999999999 working days", "87600 working hours", "1__0 EUR", "9" * 40])
    | st.sampled_from(["owner", "utils", "HolidayBase", "0000-00-00", "../..", "99:99-00:00", "env:", "a.b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def loads_or_says_why(path: Path) -> None:
    with contextlib.suppress(ConfigError):
        load(path)
        return
    # Rendering must not fail either.
    assert all(render(each) for each in problems(path))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)), st.integers(0, 30), st.sampled_from(WORDS) | st.text(max_size=4)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_broken_text_is_never_more_than_a_config_error(
    tmp_path: Path, edits: list[tuple[int, int, str]]
) -> None:
    text = GOOD
    for start, length, word in edits:
        text = text[:start] + word + text[start + length :]
    loads_or_says_why(written(tmp_path, text.encode("utf-8", "surrogatepass")))


def _places(value: Any) -> list[tuple[Any, Any]]:
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    inner = [place for _, each in pairs if isinstance(each, dict | list) for place in _places(each)]
    return [(value, key) for key, _ in pairs] + inner


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_broken_data_is_never_more_than_a_config_error(tmp_path: Path, data: st.DataObject) -> None:
    document = json.loads(json.dumps(read_yaml(Path("good.yaml"), {}).data))
    holder, key = data.draw(st.sampled_from(_places(document)))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        holder[data.draw(st.text(max_size=8))] = holder.pop(key)
    else:
        holder[key] = data.draw(VALUES)
    loads_or_says_why(written(tmp_path, json.dumps(document, ensure_ascii=False)))


def test_a_field_that_decides_who_is_told_must_come_from_a_feed(tmp_path: Path) -> None:
    text = GOOD.replace("- notify: owner\n", "- notify: [bert, field:contry]\n", 1)
    (problem,) = problems(written(tmp_path, text))
    assert problem.message == "no feed brings a field 'contry' of a ticket, which decides who is found here"
    assert problem.where == "paths.ticket-untouched.steps[0].notify[1]"
    assert problem.remedy.startswith("Did you mean 'country'?")
    assert load(written(tmp_path, text.replace("field:contry", "field:country")))
