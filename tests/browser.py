"""Opening a page in Chromium and hearing what it complains of and what it asks for."""

import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome")
     if (found := shutil.which(name))),
    None,
)  # fmt: skip


def open_page(page: Path, folder: Path, width: int = 1280) -> tuple[list[str], list[str], str]:
    """Open a file headless; return console messages, addresses asked for, and the final DOM.

    Addresses are those that Chromium's network log says the page asked for; what the browser
    wants for itself has no origin. No name is resolved, so nothing reaches the network.
    """
    log = folder / "network.json"
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--enable-logging=stderr",
            f"--window-size={width},900",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = re.findall(r":CONSOLE[:(\d)]*\] (.*)", done.stderr)
    network = json.loads(log.read_text())
    start = network["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    started = [e["params"] for e in network["events"] if e["type"] == start and "params" in e]
    asked = {
        params["url"]
        for params in started
        if params.get("initiator") not in (None, "not an origin")
        and not params["url"].startswith(("file:", "data:"))
    }
    return said, sorted(asked), done.stdout
