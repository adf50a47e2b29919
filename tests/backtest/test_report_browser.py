"""The report in a real browser: at a desk and on a phone, by day, in the dark and on paper."""

import os
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.backtest.worlds import CONFIG, rows, write
from tests.command import INCIDENTS, SERVICENOW, escalations

SIZES = {"desk": (1280, 900), "phone": (360, 740)}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, or else the one that Playwright has installed."""
    system = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    if os.geteuid() == 0:
        # Its sandbox refuses to work for root.
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=system, args=options)
        except Error as error:
            pytest.skip(f"no browser can be started here: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With names that are long, and a curve of `tune`."""
    folder = tmp_path_factory.mktemp("report")
    config = deepcopy(CONFIG)
    name = "a-path-that-somebody-gave-a-name-much-longer-than-a-phone-is-wide"
    config["paths"][name] = {**config["paths"]["slow"], "shadow": True}
    person = "Wolfeschlegelsteinhausenbergerdorff_the_Elder"
    config["people"][person] = None
    config["paths"]["slow"]["steps"].append({"after": "1h", "notify": person})
    write(folder, rows(1, 80), config)
    feed = ("--feed", "tickets", "tickets.csv")
    over = ("--path", "slow", "--over", "target.else=10h..90h/5", "--min-recall", "0.5")
    (folder / "tune.json").write_text(escalations("tune", *over, *feed, "--json", cwd=folder).out)
    written = ("--report", "report.html", "--tuned", "tune.json")
    assert escalations("backtest", *feed, *written, cwd=folder).code == 0
    return folder / "report.html"


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in SCHEMES], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The open report, which must not ask for anything else nor complain."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    asked, said = watched(page)
    page.goto(report.as_uri())
    yield page
    assert asked == [report.as_uri()]
    assert said == []
    context.close()


def watched(page: Page) -> tuple[list[str], list[str]]:
    """What it will ask for, and what it will complain of."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return asked, said


def assert_fits(page: Page) -> None:
    inner, scrolled = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert scrolled <= inner
    wider = page.evaluate(
        """[...document.querySelectorAll('body *')]
            .filter(each => !each.closest('.scroll') && !each.closest('svg'))
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 120))"""
    )
    assert wider == []


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def test_it_is_never_wider_than_the_window(page: Page) -> None:
    assert_fits(page)
    open_all(page)
    assert_fits(page)


def test_the_plots_are_those_of_the_window(page: Page) -> None:
    narrow = page.evaluate("innerWidth") < 700
    assert page.locator("svg").count() == 10
    for kind, shown in (("narrow", narrow), ("wide", not narrow)):
        for each in page.locator(f"svg.{kind}").all():
            assert each.is_visible() == shown
    text = page.locator("svg:visible text").first
    assert text.evaluate("each => each.getBoundingClientRect().height") >= 9


def test_a_number_leads_to_its_examples_without_a_script(page: Page) -> None:
    link = page.locator("td a[href^='#x']").first
    target = page.locator(link.get_attribute("href") or "")
    assert not target.is_visible()
    link.click()
    target.wait_for(state="visible")
    assert target.locator("li").first.is_visible()


def test_axe_finds_nothing(page: Page) -> None:
    """Contrast, headings, tables, names of plots: the rules of axe-core, with all details open."""
    open_all(page)
    found = Axe().run(page).response
    assert found["violations"] == [], [
        (each["id"], each["nodes"][0]["html"], each["nodes"][0].get("failureSummary"))
        for each in found["violations"]
    ]
    checked = {each["id"] for each in found["passes"]}
    assert {"color-contrast", "svg-img-alt", "heading-order", "document-title"} <= checked


def test_on_paper_it_is_light_and_shows_the_reasons_of_misses(browser: Browser, report: Path) -> None:
    context = browser.new_context(color_scheme="dark", viewport={"width": 700, "height": 900})
    page = context.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    colours = page.evaluate(
        "(style => [style.color, style.backgroundColor])(getComputedStyle(document.body))"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert not page.locator("nav").is_visible()
    assert page.locator("svg.wide").first.is_visible()
    reason = page.locator("#misses ~ details p").first
    assert reason.evaluate("each => each.checkVisibility({contentVisibilityAuto: true})")
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()


@pytest.mark.skipif(
    not INCIDENTS.exists(), reason=f"the history {INCIDENTS.name} is not beside the repository"
)
def test_a_real_history(browser: Browser, tmp_path: Path) -> None:
    written = ("--feed", "incidents", INCIDENTS, "--report", "report.html")
    assert escalations("backtest", "-c", SERVICENOW, *written, cwd=tmp_path).code == 0
    path = tmp_path / "report.html"
    assert path.stat().st_size < 1_000_000
    for width, height in SIZES.values():
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            asked, said = watched(page)
            page.goto(path.as_uri())
            open_all(page)
            assert_fits(page)
            assert Axe().run(page).response["violations"] == []
            assert (asked, said) == ([path.as_uri()], [])
            context.close()
