"""WebKit, Safari's engine: WebKitGTK's MiniBrowser on a screen that nobody sees, by its own WebDriver."""

import os
import subprocess
from pathlib import Path
from typing import Any, Self

from selenium.webdriver import Remote, WebKitGTKOptions
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.webkitgtk.service import Service

from tests.engines import found
from tests.engines.engine import SECONDS, Action, as_json, from_json

NO_MOTION = "[Settings]\ngtk-enable-animations=0\n"


class WebKit:
    restores_tabs = False  # under its driver it keeps no session

    def __init__(self, folder: Path) -> None:
        self.folder, self.downloads = folder, folder / "downloads"

    def __enter__(self) -> Self:
        browser, driver, screen = found.mini_browser(), found.webkit_driver(), found.screen()
        assert browser and driver and screen, f"No WebKit was found: {' '.join(found.command_for(['webkit']))}"
        self.downloads.mkdir(parents=True)
        settings = self.folder / "config" / "gtk-3.0" / "settings.ini"
        settings.parent.mkdir(parents=True)
        settings.write_text(NO_MOTION)
        (self.folder / "config" / "user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="{self.downloads}"\n')
        self.screen = subprocess.Popen(
            [screen, "-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.screen.stdout
        display = self.screen.stdout.readline().decode().strip()
        options = WebKitGTKOptions()
        options.binary_location = browser
        names = ("127.0.0.1", "localhost")  # of this machine: all else goes to a proxy that is not there
        for argument in ("--automation", "--proxy=http://127.0.0.1:9", *(f"--ignore-host={name}" for name in names)):
            options.add_argument(argument)
        self.service = Service(driver, env=self._environment(display))
        self.service.start()
        try:
            connection = RemoteConnection(client_config=ClientConfig(self.service.service_url))
            self.driver = Remote(command_executor=connection, options=options)
        except BaseException:
            self._end_service()
            raise
        self.driver.set_page_load_timeout(SECONDS)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.driver.quit()
        self._end_service()

    def close(self) -> None:
        self.driver.quit()  # it may be told twice

    def open(self, url: str) -> None:
        self.driver.get(url)

    def back(self) -> None:
        self.driver.back()

    def forward(self) -> None:
        self.driver.forward()

    def reload(self) -> None:
        self.driver.refresh()

    def act(self, actions: list[Action]) -> None:
        self.driver.execute(Command.W3C_ACTIONS, {"actions": actions})

    def evaluate(self, function: str, *arguments: str) -> Any:
        return from_json(self.driver.execute_script(f"return ({as_json(function)})(...arguments)", *arguments))

    def start_again(self, url: str) -> None:
        raise NotImplementedError("MiniBrowser restores nothing under its driver.")

    def _environment(self, display: str) -> dict[str, str]:
        places = {f"XDG_{name.upper()}_HOME": str(self.folder / name) for name in ("config", "cache", "data", "state")}
        own = {"DISPLAY": display if display.startswith(":") else f":{display}", "HOME": str(self.folder)}
        return (
            os.environ | places | own | {"GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "LANGUAGE": "en", "LANG": "C.UTF-8"}
        )

    def _end_service(self) -> None:
        self.service.stop()
        self.screen.terminate()
        self.screen.wait(SECONDS)
        assert self.screen.stdout
        self.screen.stdout.close()
