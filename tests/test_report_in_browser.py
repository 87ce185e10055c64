"""The report in a real browser: no error on the console, no request, no sideways scrolling."""

import shutil

import pytest
from browser import CHROMIUM, open_page

from ferkeras.compare.__main__ import main as compare

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: the report was not opened in a browser"
)

FRIENDLY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '


def test_the_browser_would_tell(tmp_path):
    """What this test listens to is heard: a page with an error and a request has both."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><img src="http://127.0.0.1:9/face.png">'
        '<link rel="stylesheet" href="https://fonts.example/a.css">'
        "<script>console.error('it broke')</script>"
    )
    said, asked, _ = open_page(page, tmp_path)
    assert any("it broke" in line for line in said)
    assert "http://127.0.0.1:9/face.png" in asked
    assert "https://fonts.example/a.css" in asked


@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_the_page_is_silent_and_complete(finished_run, tmp_path, kind):
    page = finished_run / "report.html"
    if kind == "comparison":
        page = tmp_path / "compare.html"
        other = shutil.copytree(finished_run, tmp_path / "other")
        assert compare([str(finished_run), str(other), "--output", str(page)]) == 0
    said, asked, dom = open_page(page, tmp_path)
    assert said == []
    assert asked == []
    assert "tiny-001" in dom
    assert dom.rstrip().endswith("</html>")


def test_a_phone_need_not_scroll_sideways(finished_run, tmp_path):
    """A copy that may run a script tells its own width."""
    text = (finished_run / "report.html").read_text()
    assert text.count(FRIENDLY) == 1
    measure = (
        "<script>document.title = document.documentElement.scrollWidth + ' in ' + innerWidth"
        "</script></body>"
    )
    page = tmp_path / "measured.html"
    page.write_text(text.replace(FRIENDLY, '<meta name="x" content="').replace("</body>", measure))
    _, _, dom = open_page(page, tmp_path, width=390)
    wide, window = dom.split("<title>")[1].split("</title>")[0].split(" in ")
    assert int(window) <= 500
    assert int(wide) <= int(window)
