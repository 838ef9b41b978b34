"""A page in headless Chromium without a network: what it shows, and everything that it complains about.

    with opened(browser, page_path) as page:       # width=, dark=, scripts= as needed
        page.click("text=Confidence")
    # leaving the context fails if the page logged an error, broke its policy, or asked for anything but itself

``browser`` (a fixture, by way of conftest.py) is one Chromium a test file, closed after it, since its event loop would
be in the way of other tests; where there is none, its tests are skipped and say so.
"""

import shutil
from contextlib import contextmanager

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    """A running Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed")
    binary = next((path for name in BINARIES if (path := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"needs a Chromium on the PATH: none of {', '.join(BINARIES)}")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser, path, *, width=1100, height=900, dark=False, scripts=True, reduced_motion=False, before=""):
    """Open a page; fail at the end if it logged an error or a warning, threw, called alert, or asked for more.

    ``before`` is a script that runs before those of the page.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if reduced_motion else "no-preference",
        java_script_enabled=scripts,
        offline=True,
    )
    page = context.new_page()
    if before:
        page.add_init_script(before)
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(path.as_uri())
        yield page
        page.wait_for_timeout(20)  # late messages
    finally:
        context.close()
    assert complaints == []
    assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []


def overflow(page):
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def contrast(page, selector):
    """The WCAG contrast of an element's text with what lies behind it, through translucent backgrounds."""
    return page.evaluate(
        """selector => {
          const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
          let element = document.querySelector(selector);
          const ink = parse(getComputedStyle(element).color);
          const layers = [];
          for (; element; element = element.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(element).backgroundColor);
            layers.unshift([r, g, b, a]);
          }
          let paper = [255, 255, 255];
          for (const [r, g, b, a] of layers) paper = [r, g, b].map((value, i) => value * a + paper[i] * (1 - a));
          const light = colour => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
            const value = colour[i] / 255;
            return sum + share * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
          }, 0);
          const [high, low] = [light(ink), light(paper)].sort((a, b) => b - a);
          return (high + 0.05) / (low + 0.05);
        }""",
        selector,
    )
