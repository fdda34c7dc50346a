"""The page that explains the API: all of the description, in order, for people who are logged in."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from apikeys.api.openapi import document, reference
from console.templatetags.console_tags import prose

PAGE = "/docs/api/"


class Outline(HTMLParser):
    """What a page is made of: ids, links, heading levels, and what a strict policy would refuse."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[dict[str, str]] = []
        self.levels: list[int] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "style" or "style" in found or any(name.startswith(("on", "hx-on")) for name in found):
            self.inline.append(tag)
        if tag == "script" and not found.get("src"):
            self.inline.append(tag)


@pytest.fixture
def page(alice_client) -> str:
    answer = alice_client.get(PAGE)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.django_db
def test_strangers_log_in_first(client):
    answer = client.get(PAGE)

    assert answer.status_code == 302
    assert answer["Location"] == f"/login/?next={PAGE}"


def test_every_operation_and_every_object_has_a_place_of_its_own(page):
    ids = Outline(page).ids

    assert len(set(ids)) == len(ids)
    for path, methods in document.current()["paths"].items():
        assert f">{path}</code>" in page
        for operation in methods.values():
            assert operation["operationId"] in ids
    for name in document.current()["components"]["schemas"]:
        assert f"schema-{name}" in ids


def test_every_link_within_the_page_leads_somewhere(page):
    outline = Outline(page)

    fragments = {link["href"][1:] for link in outline.links if link["href"].startswith("#")}
    assert fragments <= set(outline.ids)
    assert len(fragments) > 50


def test_headings_go_down_one_step_at_a_time(page):
    levels = Outline(page[page.index("<main") :]).levels

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))


def test_the_policy_of_the_console_holds_for_it(alice_client):
    answer = alice_client.get(PAGE)

    assert Outline(answer.content.decode()).inline == []
    assert "'strict-dynamic'; style-src 'self'" in answer["Content-Security-Policy"]


def test_what_is_in_english_only_says_so(alice_client):
    alice_client.post("/language/", {"language": "zh-hant"})

    page = alice_client.get(PAGE).content.decode()

    assert '<html lang="zh-Hant"' in page
    assert re.search(r'<h3 id="createApiKey"[^>]* lang="en">Create an API key</h3>', page)


def test_the_menus_lead_to_it_and_say_when_one_is_there(alice_client, page):
    def links(shown: str) -> list[dict[str, str]]:
        return [link for link in Outline(shown).links if link["href"] == PAGE]

    assert [link.get("aria-current") for link in links(page)] == ["page", "page"]
    assert [
        link.get("aria-current") for link in links(alice_client.get("/manage/security/apikeys/").content.decode())
    ] == [
        None,
        None,
    ]


def test_the_page_with_a_new_key_opens_it_beside_itself(alice_client):
    form = {"nonce": "n" * 32, "name": "terraform", "description": "", "expires": "", "action_when_leaked": "none"}

    created = alice_client.post("/manage/security/apikeys/create/", form).content.decode()

    (link,) = [found for found in Outline(created).links if found["href"] == PAGE and "target" in found]
    assert link["target"] == "_blank"
    assert "noopener" in link["rel"]


def test_words_between_backticks_are_code_and_nothing_is_markup():
    assert prose("Send `a<b>` & go") == "Send <code>a&lt;b&gt;</code> &amp; go"
    assert prose("plain") == "plain"


def test_what_a_schema_allows_is_said_in_a_few_words():
    said = {
        "integer from 1 to 100, default `20`": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "string or null": {"type": ["string", "null"]},
        "`asc`, `desc`": {"enum": ["asc", "desc"]},
        '`true`, `"true"`, `null`': {"enum": [True, "true", None]},
        "`Bearer`": {"const": "Bearer"},
        "list of ApiKey": {"type": "array", "items": {"$ref": "#/components/schemas/ApiKey"}},
        "string `^[0-9a-f]{32}$`": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "string such as `x`": {"type": "string", "pattern": "x" * 99, "examples": ["x"]},
        "anything": {},
    }

    assert {words: reference.kind(schema) for words, schema in said.items()} == {words: words for words in said}
