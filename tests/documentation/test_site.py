"""The documentation builds strictly, without a network, into a site that asks nobody but itself."""

import functools
import posixpath
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="needs mkdocs, of the extra docs")
pytestmark = pytest.mark.slow
ASSETS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Links(HTMLParser):
    """The addresses that a page links to, and those that a browser fetches to show it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.assets, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if given.get("id"):
            self.ids.add(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ASSETS and given.get(ASSETS[tag]):
            self.assets.append(given[ASSETS[tag]])


@pytest.fixture(scope="module")
def read(site):
    """Every page of the site, by its path; the study's own page, which stands alone, and the 404 page left out."""
    return {
        page.relative_to(site).as_posix(): Links(page.read_text(encoding="utf-8")) for page in site.rglob("index.html")
    }


def target(page, link):
    """The file of the site that a link leads to, as a path; None for an address elsewhere.

    >>> target("how-to/gguf/index.html", "../../method/#the-rivals"), target("method/index.html", "..")
    ('method/index.html', 'index.html')
    """
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    if not parts.path:
        return page
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
    return posixpath.normpath(f"{path}/index.html") if parts.path.endswith(("/", ".")) else path


def test_nothing_is_fetched_from_elsewhere(read):
    outside = {(page, asset) for page, found in read.items() for asset in found.assets if target(page, asset) is None}
    assert [(page, asset) for page, asset in sorted(outside) if not asset.startswith("data:")] == []


def test_styles_import_nothing_from_elsewhere(site):
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert "@import" not in text, style.name
        assert "url(http" not in text.replace('"', "").replace("'", ""), style.name


def test_links_within_the_site_lead_to_pages_and_headings(read, site):
    wrong = []
    for page, found in read.items():
        for link in [*found.links, *found.assets]:
            place = target(page, link)
            if place is None:
                continue
            if not (site / place).is_file():
                wrong.append(f"{page}: {link}")
            heading = urlsplit(link).fragment
            if heading and place in read and unquote(heading) not in read[place].ids | {"__tabbed"}:
                wrong.append(f"{page}: {link}: no such heading")
    assert wrong == []


def test_the_reference_holds_the_public_names(read):
    for page, name in (
        ("objectives", "counterpoise.objectives.get"),
        ("objectives", "counterpoise.objectives.bft.BalancedFineTuning"),
        ("scoring", "counterpoise.scoring.token_log_probs"),
        ("trainer", "counterpoise.training.balanced.BalancedSFTTrainer"),
        ("evaluation", "counterpoise.evaluation.evaluate.evaluate"),
        ("biology", "counterpoise.biology.enrichment.load_library"),
    ):
        assert name in read[f"reference/{page}/index.html"].ids, name


def test_files_outside_the_documentation_are_on_the_site(site):
    page = (site / "files/examples/distributed/ddp.yaml/index.html").read_text(encoding="utf-8")
    assert "distributed_type" in page
    assert (site / "files/benchmarks/results/demo.json").is_file()
    assert "plan of the house" in (site / "contributing/index.html").read_text(encoding="utf-8")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("width", "page"), [(1200, ""), (1200, "method/"), (400, "benchmarks/"), (400, "tutorial/")])
def test_pages_show_without_complaint_and_ask_nobody_else(served, browser, width, page):
    context = browser.new_context(viewport={"width": width, "height": 900})
    try:
        shown = context.new_page()
        complaints, asked = [], []
        shown.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(f"{served}/{page}", wait_until="networkidle")
        assert complaints == []
        assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
        assert shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        for picture in shown.locator("article img").all():
            assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    finally:
        context.close()


def test_search_finds_a_page(served, browser):
    from playwright.sync_api import TimeoutError  # of its own, which is none of Python's

    context = browser.new_context(viewport={"width": 1200, "height": 900})
    try:
        shown = context.new_page()
        shown.goto(served, wait_until="networkidle")
        # Results are drawn anew with every key: the link is waited for, never picked from a list that may be gone.
        found = shown.locator('.md-search-result__link[href*="/method/"]').first
        for _ in range(10):  # what is typed before the worker has read its index is never looked up: type on
            shown.locator(".md-search__input").fill("")
            shown.locator(".md-search__input").press_sequentially("weakest window")
            try:
                found.wait_for(state="attached", timeout=3_000)
                return
            except TimeoutError:
                continue
        results = shown.locator(".md-search-result__link")
        pytest.fail(f"found {results.evaluate_all('links => links.map(link => link.href)')}")
    finally:
        context.close()
