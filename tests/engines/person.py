"""Somebody at a browser of whatever engine: finds things by role and name, and uses real clicks and keys."""

import time
from typing import Any

from tests.browser.value import Value
from tests.engines.engine import CONTROL, Engine, click_at, keys, wait_for

LOOKS, SECONDS_BETWEEN_LOOKS = 5, 0.06
ROLES = {
    "button": "button, [role=button]",
    "link": "a[href]",
    "field": "input:not([type=hidden]), textarea",
    "heading": "h1, h2",
    "dialog": "dialog[open]",
    "rowheader": "[role=rowheader]",
    "note": "[role=status], [role=alert]",
}
# The middle of the one thing of that role and name that can be seen and is not covered, or null.
FIND = r"""(selector, name) => {
  const words = (text) => (text || "").replace(/\s+/g, " ").trim();
  const named = (element) => words(
    element.getAttribute("aria-label")
    || (element.getAttribute("aria-labelledby") || "").split(" ")
      .map((id) => document.getElementById(id)?.innerText || "").join(" ").trim()
    || [...(element.labels || [])].map((label) => label.firstChild.textContent).join(" ")
    || element.innerText);
  for (const element of document.querySelectorAll(selector)) {
    if (named(element) !== name || !element.checkVisibility()) continue;
    element.scrollIntoView({ block: "nearest" });
    const box = element.getBoundingClientRect();
    const [x, y] = [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
    if (element.contains(document.elementFromPoint(x, y))) return [x, y];
  }
  return null;
}"""
SAYS = r"""(selector, text) => [...document.querySelectorAll(selector)].some(
  (element) => element.checkVisibility() && element.innerText.replace(/\s+/g, " ").includes(text))"""
PASTE_HERE = "data:text/html,<input type=password autofocus>"  # no browser keeps what is in a field for passwords


class Person:
    def __init__(self, engine: Engine, url: str) -> None:
        self.engine, self.url = engine, url

    def opens(self, path: str) -> None:
        self.engine.open(self.url + path)

    def sees(self, role: str, name: str) -> tuple[int, int]:
        """Wait until it is there, and return where."""
        x, y = wait_for(lambda: self.evaluate(FIND, ROLES[role], name), f"{role} {name!r}")
        return x, y

    def does_not_see(self, role: str, name: str) -> None:
        wait_for(lambda: not self.evaluate(FIND, ROLES[role], name), f"{role} {name!r} is gone")

    def reads(self, role: str, text: str) -> None:
        """Wait until something of that role says the text."""
        wait_for(lambda: self.evaluate(SAYS, ROLES[role], text), f"{role} that says {text!r}")

    def presses(self, role: str, name: str) -> None:
        """Press it once it keeps its place: WebKit lays a menu that has just opened out again, some frames later."""
        place, kept = self.sees(role, name), 0
        while kept < LOOKS:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            kept = kept + 1 if place == (place := self.sees(role, name)) else 0
        self.engine.act(click_at(*place))

    def types(self, label: str, text: str) -> None:
        self.presses("field", label)
        self.engine.act(keys(text))

    def is_at(self, path: str) -> None:
        wait_for(lambda: self.evaluate("() => location.href").partition("?")[0] == self.url + path, f"page {path}")

    def value(self) -> Value:
        """Return the value on the page, masked or shown."""
        return Value(self.evaluate("() => document.querySelector('#value').textContent"))

    def pasted(self) -> Value:
        """Return what the clipboard holds, as another page gets it by pasting."""
        self.engine.open(PASTE_HERE)
        self.engine.act(click_at(60, 18))
        self.engine.act(keys("v", held=CONTROL))
        return Value(wait_for(lambda: self.evaluate("() => document.querySelector('input').value"), "something pasted"))

    def evaluate(self, function: str, *arguments: str) -> Any:
        return self.engine.evaluate(function, *arguments)
