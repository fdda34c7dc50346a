"""A browser whose profile is in a folder of the test, and the same browser started again with its tabs."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import BrowserContext, Page, Playwright

from tests.browser.conftest import LAUNCH, MILLISECONDS


def with_profile(playwright: Playwright, chromium_path: str, profile: Path, js: bool, **options: Any) -> BrowserContext:
    context = playwright.chromium.launch_persistent_context(
        profile,
        **LAUNCH,
        downloads_path=profile.parent / "downloads",
        executable_path=chromium_path,
        java_script_enabled=js,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(MILLISECONDS)
    return context


@contextmanager
def restored(playwright: Playwright, chromium_path: str, profile: Path, js: bool) -> Iterator[list[Page]]:
    """Start the browser as its user does, with the tabs of the last time, and look in once they are there."""
    door = profile / "DevToolsActivePort"
    process = subprocess.Popen(
        [
            chromium_path,
            *LAUNCH["args"],
            "--headless",
            "--no-first-run",
            "--remote-debugging-port=0",
            "--restore-last-session",
            f"--user-data-dir={profile}",
            f"--blink-settings=scriptEnabled={str(js).lower()}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: door.exists() and door.read_text().count("\n") == 1)
        address = f"http://127.0.0.1:{door.read_text().splitlines()[0]}"
        wait_for(lambda: any("/manage/" in tab["url"] for tab in requests.get(f"{address}/json", timeout=5).json()))
        browser = playwright.chromium.connect_over_cdp(address)
        tabs = browser.contexts[0].pages
        for tab in tabs:
            tab.wait_for_load_state()
        yield tabs
        browser.new_browser_cdp_session().send("Browser.close")
        process.wait(MILLISECONDS / 1000)
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MILLISECONDS / 1000
    while not condition():
        assert time.monotonic() < deadline, "The browser restored no tab."
        time.sleep(0.05)
