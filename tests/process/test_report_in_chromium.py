"""The report in a real browser: everything shows, nothing is asked of any network, light, dark, narrow and on paper.

Needs Debian's ``chromium`` (``make test`` installs it); skips without, fails then with REQUIRE_CLUSTER=1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.render.report import RunFacts, report_page
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.png_pixels import Picture, read_png
from tests.unit.report_text import view_of

PATIENCE_S = 90
#: Nothing of a browser's own traffic, and no help from the network for the page.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--enable-logging=stderr",
)
LIGHT, DARK = "--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"


class Browser:
    """Chromium with a profile of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def run(self, page: Path, *flags: str) -> tuple[str, list[str]]:
        """Load a page; stdout, and what its console said."""
        profile = f"--user-data-dir={self.folder / 'profile'}"
        done = subprocess.run(
            [self.program, *FLAGS, profile, *flags, page.as_uri()],
            capture_output=True,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)},
            check=True,
        )
        said = done.stderr.decode(errors="replace").splitlines()
        return done.stdout.decode(), [line for line in said if "CONSOLE" in line]

    def screenshot(self, page: Path, *flags: str) -> Picture:
        """What is seen in a small window."""
        target = self.folder / "seen.png"
        self.run(page, "--window-size=700,520", f"--screenshot={target}", *flags)
        return read_png(target.read_bytes())


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A browser, or the reason why there is none."""
    program = shutil.which("chromium")
    if program is None:
        assert os.environ.get("REQUIRE_CLUSTER") != "1", "chromium is missing: deploy/host/ensure.sh chromium"
        pytest.skip("chromium is missing: deploy/host/ensure.sh chromium installs it")
    folder = tmp_path / "browser"
    folder.mkdir()
    return Browser(program, folder)


def page_of(browser: Browser, name: str) -> Path:
    """The page of a sample, read without a record of its run."""
    page = browser.folder / f"{name}.html"
    page.write_text(report_page(replace(view_of(name, plots=True), facts=RunFacts())), encoding="utf-8")
    return page


@pytest.mark.parametrize(
    ("name", "plots", "shown"),
    [
        ("training", 8, ["metrics", "curves", "confusion", "features", "leakage", "search", "resources"]),
        ("evaluation", 7, ["gate", "comparison", "segments", "drift", "importance"]),
        ("evaluation_regression", 3, ["metrics", "curves", "segments"]),
        ("prediction", 1, ["predictions", "unseen", "drift"]),
        ("data_processing", 0, ["steps", "quality", "data"]),
    ],
)
def test_all_sections_and_no_word_on_the_console(browser: Browser, name: str, plots: int, shown: list[str]) -> None:
    dom, console = browser.run(page_of(browser, name), "--dump-dom")
    assert console == []
    assert dom.count("</svg>") == plots and dom.count("<path") >= 5 * plots
    assert [one for one in shown if f'<section id="{one}"' not in dom] == []
    assert not re.search(r'(?:src|href)="(?:https?:|//|data:|file:)', dom)  # no record, so no page of a server either


@pytest.fixture
def outside() -> Iterator[CannedWebHdfs]:
    """A server that must never be asked."""
    with CannedWebHdfs() as server:
        yield server


def test_the_browser_itself_would_refuse_scripts_and_requests(browser: Browser, outside: CannedWebHdfs) -> None:
    page = page_of(browser, "data_processing")
    evil = f"<script>document.title = 'ran'</script><img src='{outside.url}/x.png' onerror='document.title=1'>"
    evil += f"<link rel=stylesheet href='{outside.url}/x.css'><iframe src='{outside.url}/'></iframe>"
    page.write_text(page.read_text().replace("<main", f"{evil}<main", 1))
    dom, console = browser.run(page, "--dump-dom")
    assert len(console) >= 4 and all("Content Security Policy" in line for line in console)
    assert "<title>prepare-flights" in dom and outside.asked == []


def test_light_and_dark_are_seen_and_are_different(browser: Browser) -> None:
    page = page_of(browser, "training")
    hidden = "<style>header,nav,section:not(#curves){display:none}</style></head>"  # so that the window shows the plots
    page.write_text(page.read_text().replace("</head>", hidden))
    light, dark = (browser.screenshot(page, scheme).counts() for scheme in (LIGHT, DARK))
    assert most(light) == b"\xff\xff\xff" and most(dark) == bytes.fromhex("14181d")
    assert len(light) > 50 and len(dark) > 50
    curve_in_light, curve_in_dark = bytes.fromhex("0072b2"), bytes.fromhex("56b4e9")
    assert light.get(curve_in_light, 0) > 100 and curve_in_dark not in light
    assert dark.get(curve_in_dark, 0) > 100 and curve_in_light not in dark


def most(counts: dict[bytes, int]) -> bytes:
    """The colour of the ground."""
    return max(counts, key=lambda colour: counts[colour])


def test_the_top_of_the_page_is_bright_or_dark_as_a_whole(browser: Browser) -> None:
    page = page_of(browser, "evaluation")
    assert browser.screenshot(page, LIGHT).mean() > 220
    assert browser.screenshot(page, DARK).mean() < 70


@pytest.mark.parametrize("name", ["evaluation", "pipeline"])
def test_a_phone_scrolls_down_and_not_sideways(browser: Browser, name: str) -> None:
    page = page_of(browser, name)
    measure = "document.title = document.documentElement.scrollWidth + ' of ' + window.innerWidth"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    page.write_text(text.replace("</body>", f"<script>{measure}</script></body>"))
    dom, _ = browser.run(page, "--dump-dom", "--window-size=400,800")
    found = re.search(r"<title>(\d+) of (\d+)</title>", dom)
    assert found is not None and int(found[1]) <= int(found[2]) <= 500


def test_paper_is_white_even_where_the_screen_is_dark(browser: Browser) -> None:
    page, target = page_of(browser, "training"), browser.folder / "page.pdf"
    browser.run(page, DARK, "--no-pdf-header-footer", f"--print-to-pdf={target}")
    data = target.read_bytes()
    drawn = b"".join(map(inflated, re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)))
    assert 3 <= len(re.findall(rb"/Type /Page\b", data)) <= 14
    ink_of_light, ink_of_dark, paper_of_dark = (
        rb"\.1098\d* \.129\d* \.156\d* rg",
        rb"\.894\d* \.909\d* \.925\d* rg",
        rb"\.078\d* \.094\d* \.113\d* rg",
    )
    assert re.search(ink_of_light, drawn)
    assert not re.search(ink_of_dark, drawn) and not re.search(paper_of_dark, drawn)


def inflated(stream: bytes) -> bytes:
    """A stream of a PDF as it was before it was packed; nothing for what is packed in another way."""
    try:
        return zlib.decompress(stream) + b"\n"
    except zlib.error:
        return b""
