"""A page as a tree of elements, so that tests ask for what it says and not for how it is written."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Element:
    """One element; `children` are elements and strings."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]

    def __contains__(self, attribute: str) -> bool:
        return attribute in self.attributes

    def everything(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.everything()

    def find_all(self, tag: str = "*", **attributes: str) -> list["Element"]:
        """Return the elements below with that tag and those attributes; `data_name` asks for `data-name`."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.everything()
            if tag in ("*", element.tag)
            and all(element.attributes.get(name) == value for name, value in wanted.items())
        ]

    def find(self, tag: str = "*", **attributes: str) -> "Element":
        """Return the only such element; none or several fail the test."""
        found = self.find_all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements are {tag} {attributes}"
        return found[0]

    @property
    def raw(self) -> str:
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    @property
    def text(self) -> str:
        return " ".join(self.raw.split())

    def texts(self) -> Iterator[str]:
        """Yield every piece of text below, without what only programs read."""
        for child in self.children:
            if isinstance(child, str):
                if child.strip():
                    yield " ".join(child.split())
            elif child.tag not in ("script", "style"):
                yield from child.texts()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        assert len(names) == len(set(names)), f"an attribute of <{tag}> stands there twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """Return the tree of a page or a fragment; a tag that is never closed fails the test."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder.open == [builder.root], f"never closed: {[element.tag for element in builder.open[1:]]}"
    return builder.root


def page(response) -> Element:
    """Return the tree of an answer of the test client or of a real server."""
    return parse(response.content.decode("utf-8"))


def fields(form: Element, tree: Element | None = None) -> dict[str, Any]:
    """Return what a browser would send for the form as it is drawn, with its inputs elsewhere in `tree`.

    Of boxes with one name it is the list of those that are ticked.
    """
    inputs = form.find_all("input") + (tree.find_all("input", form=form["id"]) if tree else [])
    boxes = [element for element in inputs if element.attributes.get("type") == "checkbox"]
    sent: dict[str, Any] = {
        element["name"]: element.attributes.get("value", "") for element in inputs if element not in boxes
    }
    for box in boxes:
        if "checked" in box:
            sent.setdefault(box["name"], []).append(box.attributes.get("value", "on"))
    sent |= {element["name"]: element.raw.removeprefix("\n") for element in form.find_all("textarea")}
    for select in form.find_all("select"):
        options = select.find_all("option")
        chosen = next((option for option in options if "selected" in option), options[0])
        sent[select["name"]] = chosen.attributes.get("value", chosen.text)
    return sent


def described_by(tree: Element, control: Element) -> str:
    """Return the words that a screen reader says after a control's label."""
    return " ".join(tree.find(id=part).text for part in control["aria-describedby"].split())


def text_of(answer: Any) -> str:
    """Return all that a page says, in a line."""
    return " ".join(page(answer).texts())


def value_on(answer: Any) -> str:
    """Return the value on the page that shows a new key."""
    return str(page(answer).find(id="value").raw)
