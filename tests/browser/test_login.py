"""The dashboard's gate before a real browser, which remembers the login and says whose page it is on."""

import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import optuna
import pytest
from playwright.sync_api import Page, sync_playwright

from search.analysis.dashboard import serve
from search.settings import Settings
from search.store import embedded
from search.store.connection import Store, open_store, store_url

from .test_dashboard import CHROMIUM

pytestmark = pytest.mark.browser

PASSWORD = "canary"

# As optuna-dashboard's own page writes, and as any page may without asking first.
OWN_WRITE = """async name => {
    const sent = new XMLHttpRequest();
    sent.open("POST", "/api/studies", false);
    sent.setRequestHeader("Content-Type", "application/json");
    sent.send(JSON.stringify({study_name: name, directions: ["maximize"]}));
    return sent.status;
}"""
FOREIGN_WRITE = """async address => {
    await fetch(address, {method: "POST", credentials: "include", mode: "no-cors", body: "{}"});
}"""


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of another site's page."""
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    yield Settings(home=tmp_path / "home", data=tmp_path, results=str(tmp_path), store=None)
    embedded.stop(tmp_path / "home" / "postgres")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def dashboard(store: Store, settings: Settings) -> str:
    """The address of a dashboard with a login, served until the tests end."""
    told: list[str] = []
    arguments = {"port": 0, "password": PASSWORD, "on_listening": told.append}
    Thread(target=serve, args=(store_url(settings), settings.results), kwargs=arguments, daemon=True).start()
    while not told:
        time.sleep(0.05)
    (address,) = re.findall(r"http://127\.0\.0\.1:\d+", told[0])
    return address


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(http_credentials={"username": "search", "password": PASSWORD})
        yield context.new_page()
        browser.close()


def test_its_own_page_writes_and_a_strangers_does_not(
    dashboard: str, store: Store, stranger: str, page: Page
) -> None:
    page.goto(f"{dashboard}/dashboard")
    assert page.evaluate(OWN_WRITE, "own") == 201
    assert optuna.get_all_study_names(store.storage) == ["own"]

    page.goto(stranger)
    with page.expect_response(f"{dashboard}/api/studies") as answer:
        page.evaluate(FOREIGN_WRITE, f"{dashboard}/api/studies")
    assert answer.value.status == 403  # past the login, which the browser sent along
