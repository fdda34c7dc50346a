"""Firefox, by W3C's WebDriver BiDi, which it speaks itself over a WebSocket: no driver stands between."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import websocket

from tests.engines import found
from tests.engines.engine import SECONDS, Action, as_json, from_json, wait_for

SAVES_EVERY = 1  # seconds, what it has open

PREFERENCES = {
    "browser.sessionstore.interval": SAVES_EVERY * 1000,
    "remote.prefs.recommended": False,  # they restore no tab
    "browser.download.folderList": 2,
    "browser.download.always_ask_before_handling_new_types": False,
    "ui.prefersReducedMotion": 1,
    "intl.accept_languages": "en-US",
    # Nothing but this machine can be reached.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1",
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "termsofuse.bypassNotification": True,
}


class Firefox:
    restores_tabs = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.downloads, self.profile = folder, folder / "downloads", folder / "profile"
        self.door = self.profile / "WebDriverBiDiServer.json"
        self.sent = 0

    def __enter__(self) -> Self:
        self.downloads.mkdir(parents=True)
        self.profile.mkdir()
        preferences = PREFERENCES | {"browser.download.dir": str(self.downloads)}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
        (self.profile / "user.js").write_text("\n".join(lines))
        self._start()
        [self.tab] = self._tabs()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._kill()

    def open(self, url: str) -> None:
        self._call("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def back(self) -> None:
        self._call("browsingContext.traverseHistory", context=self.tab, delta=-1)

    def forward(self) -> None:
        self._call("browsingContext.traverseHistory", context=self.tab, delta=1)

    def reload(self) -> None:
        self._call("browsingContext.reload", context=self.tab, wait="complete")

    def act(self, actions: list[Action]) -> None:
        self._call("input.performActions", context=self.tab, actions=actions)

    def evaluate(self, function: str, *arguments: str) -> Any:
        answer = self._call(
            "script.callFunction",
            functionDeclaration=as_json(function),
            arguments=[{"type": "string", "value": text} for text in arguments],
            target={"context": self.tab},
            awaitPromise=False,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return from_json(answer["result"]["value"])

    def close(self) -> None:
        self._call("browser.close")
        self.process.wait(SECONDS)

    def start_again(self, url: str) -> None:
        time.sleep(2 * SAVES_EVERY)
        # Told to close, it takes its one window for closed by hand, and restores nothing.
        self._kill()
        self._start()
        self.tab = wait_for(lambda: next(iter(self._tabs(url)), None), f"a restored tab at {url}")

    def _start(self) -> None:
        self.door.unlink(missing_ok=True)
        program = found.firefox()
        assert program, f"No Firefox was found: {' '.join(found.command_for(['firefox']))}"
        self.process = subprocess.Popen(
            [program, "--headless", "--no-remote", "--profile", str(self.profile), "--remote-debugging-port", "0"],
            env=os.environ | {"HOME": str(self.folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        place = wait_for(self._listening, "Firefox listens")
        address = f"ws://{place['ws_host']}:{place['ws_port']}/session"
        self.connection = websocket.create_connection(address, timeout=SECONDS, suppress_origin=True)
        self._call("session.new", capabilities={})
        wait_for(self._tabs, "a tab")

    def _listening(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, "Firefox ended"
        try:
            return dict(json.loads(self.door.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):  # not there, or not yet written as a whole
            return None

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.connection.close()

    def _tabs(self, url: str = "") -> list[str]:
        tree = self._call("browsingContext.getTree", maxDepth=0)["contexts"]
        return [tab["context"] for tab in tree if tab["url"].startswith(url)]

    def _call(self, method: str, **parameters: Any) -> Any:
        self.sent += 1
        self.connection.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while (answer := json.loads(self.connection.recv())).get("id") != self.sent:
            pass  # news that nobody asked for
        assert answer["type"] == "success", f"{method}: {answer['error']}: {answer['message']}"
        return answer["result"]
