"""The Actions of a row: what static/list.js makes of the row's link and of the one menu of the page."""

from typing import NamedTuple

from tests.markup import Element


class Action(NamedTuple):
    """What one control of the menu says, what it is, and where it leads or what it is sent to."""

    words: str
    tag: str
    address: str


def opener(tree: Element, key_id: str = "") -> Element:
    """Return the link of a key's row, or of the first one, which a script makes the button of the menu."""
    links = [link for link in tree.find_all("a") if "data-can" in link]
    return next(link for link in links if key_id in link["href"])


def menu_of(tree: Element, key_id: str = "") -> list[Action]:
    """Return what the menu of a key offers, or of the first one; the addresses are joined as the script joins them."""
    link = opener(tree, key_id)
    path, mark, query = link["href"].partition("?")
    offered = ["", *link["data-can"].split()]
    controls = [control for control in tree.find("template", id="actions").everything() if "data-action" in control]
    return [
        Action(control.text, control.tag, "".join((path, name and f"{name}/", mark, query)))
        for control in controls
        if (name := control["data-action"]) in offered
    ]


def links(menu: list[Action]) -> list[tuple[str, str]]:
    return [(action.words, action.address) for action in menu if action.tag == "a"]


def buttons(menu: list[Action]) -> list[tuple[str, str]]:
    return [(action.words, action.address) for action in menu if action.tag == "button"]
