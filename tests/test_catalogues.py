"""Every page speaks each of the console's languages: the catalogues are whole and fresh, and no word was left out."""

import importlib.util
import re

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils.translation import to_locale

from apikeys.models import ApiKeyRecord
from apikeys.web.forms import new_nonce
from tests.addresses import CREATE, KEYS, RECEIPT, UNKNOWN_ID, delete_address, edit_address
from tests.markup import Element, page
from tests.server import ROOT

pytestmark = pytest.mark.once

SOURCE = "en"
OTHERS = [code for code, _name in django_settings.LANGUAGES if code != SOURCE]
# What is not a word of a language, or is written in its own.
SAME_EVERYWHERE = re.compile(
    r"English|繁體中文|Alice Liddell|alice(@example\.com)?|terraform|Applies changes|apk_….{4}|[\W\d_]*(UTC)?"
)
SPOKEN_ATTRIBUTES = (
    "aria-label",
    "alt",
    "placeholder",
    "title",
    "data-label",
    "data-copied",
    "data-select",
    "data-shown",
)


def catalogues():
    """Return locale/catalogues.py, which is a script and no module of a package."""
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / "locale" / "catalogues.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_language_of_the_console_has_a_catalogue():
    assert sorted(to_locale(code) for code in OTHERS) == sorted(catalogues().LANGUAGES)
    for code in OTHERS:
        folder = ROOT / "locale" / to_locale(code) / "LC_MESSAGES"
        assert {path.name for path in folder.iterdir()} >= {"django.po", "django.mo"}


@pytest.mark.parametrize("language", [to_locale(code) for code in OTHERS])
def test_every_string_is_translated_and_every_catalogue_is_fresh(language):
    assert catalogues().problems(language) == []


@pytest.mark.parametrize("language", [to_locale(code) for code in OTHERS])
def test_translations_keep_what_is_filled_in_and_its_markup(language):
    tool = catalogues()

    broken = [message.id for message in tool.merged(language) if message.id and not keeps_parts(message)]
    assert broken == []


def keeps_parts(message) -> bool:
    """Tell whether each translation has the parts of the message's singular or plural."""
    sources = message.id if isinstance(message.id, tuple) else (message.id,)
    translations = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(any(parts(translation) == parts(source) for source in sources) for translation in translations)


def parts(text: str) -> list[str]:
    """Return the places to fill in and the tags of a message, in any order."""
    return sorted(re.findall(r"%\(\w+\)[sd]|</?\w+[^>]*>|%%", text))


# Every page


def every_page(client: Client, key_id: str, language: str):
    """Yield (what it is, answer) for every page and message that a person can come to."""
    headers = {"Accept-Language": language}
    get = lambda path: client.get(path, headers=headers)  # noqa: E731
    post = lambda path, **typed: client.post(path, typed, headers=headers)  # noqa: E731
    nonce = new_nonce()
    stranger, strict = Client(), Client(enforce_csrf_checks=True)
    somebody = {"username": language, "password": "x"}  # each with attempts of their own

    yield "log-in", stranger.get("/login/", headers=headers)
    yield "wrong password", stranger.post("/login/", somebody, headers=headers)
    for _ in range(4):
        stranger.post("/login/", somebody, headers=headers)
    yield "too many attempts", stranger.post("/login/", somebody, headers=headers)
    yield "no token", strict.post("/login/", headers=headers)
    yield "dashboard", get("/")
    yield "list", get(KEYS)
    yield "nothing found", get(f"{KEYS}?q=%E2%80%93%E2%80%93")
    yield "create form", get(CREATE)
    yield "blank name", post(CREATE, nonce=nonce)
    yield "long description", post(CREATE, name="1", description="1" * 1001, nonce=nonce)
    yield "control character", post(CREATE, name="1\a2", nonce=nonce)
    yield "no nonce", post(CREATE, name="1")
    created = post(CREATE, name="terraform", nonce=nonce)
    yield "created", created
    post(RECEIPT, nonce=nonce)
    yield "hand-over ended", post(CREATE, name="terraform", nonce=nonce)
    yield "edit form", get(edit_address(key_id))
    yield "stale edit", post(edit_address(key_id), name="terraform", entity_tag="stale")
    tag = ApiKeyRecord.objects.get(id=key_id).entity_tag
    post(edit_address(key_id), name="terraform", entity_tag=tag)
    yield "saved", get(KEYS)
    ApiKeyRecord.objects.filter(id=key_id).update(locked=True)
    yield "locked", get(KEYS)
    yield "refused because locked", post(delete_address(key_id))
    ApiKeyRecord.objects.filter(id=key_id).update(locked=False, disabled=True)
    yield "disabled", get(KEYS)
    yield "delete", get(delete_address(key_id))
    post(delete_address(key_id))
    yield "deleted", get(KEYS)
    post(delete_address(key_id))
    yield "deleted before", get(KEYS)
    yield "all events", get("/")
    yield "unknown key", get(edit_address(UNKNOWN_ID))
    yield "unknown page", get("/nowhere/")
    yield "wrong method", get("/logout/")
    yield "too much", post(CREATE, name="x" * 1_000_000)
    yield "password", get("/password/")
    yield "bad password", post("/password/", old_password="x", new_password1="short", new_password2="other")
    yield "time zone", get("/time-zone/")
    yield "bad time zone", post("/time-zone/", time_zone="Nowhere")
    yield "bad host", client.get("/", headers=headers | {"Host": "evil.example"})
    yield "not allowed", client.get("/manage/users/", headers=headers)
    ApiKeyRecord.objects.all().delete()
    yield "no keys", get(KEYS)


def spoken(tree: Element) -> set[str]:
    """Return every text that a page shows or says."""
    code = {text for sample in tree.find_all(translate="no") for text in sample.texts()}
    said = {text for text in tree.texts() if "apk_" not in text} - code
    for element in tree.everything():
        said |= {element[name] for name in SPOKEN_ATTRIBUTES if name in element}
    return {" ".join(text.split()) for text in said}


@pytest.mark.parametrize("code", OTHERS)
def test_every_page_says_its_language_and_no_word_in_english_that_has_another(alice, alice_client, create_key, code):
    pages = {}
    for language in (SOURCE, code):
        ApiKeyRecord.objects.all().delete()
        key = create_key(alice, "terraform", "Applies changes").key
        for what, answer in every_page(alice_client, key.id, language):
            pages.setdefault(what, []).append((language, answer.status_code, page(answer)))

    left = {}
    for what, ((_, status, english), (_, same_status, other)) in pages.items():
        assert status == same_status
        assert other.find("html")["lang"].lower() == code, what
        both = {text for text in spoken(english) & spoken(other) if not SAME_EVERYWHERE.fullmatch(text)}
        if both:
            left[what] = both
    assert left == {}


@pytest.mark.parametrize("code", OTHERS)
def test_each_language_is_offered_under_its_own_name(alice_client, code):
    menu = page(alice_client.get(KEYS)).find("form", id="m-lang")

    buttons = {button["value"]: button.text for button in menu.find_all("button")}
    assert buttons.keys() == {SOURCE, *OTHERS}
    assert buttons["en"] == "English"
    assert buttons["zh-hant"] == "繁體中文"
    assert {button["value"]: button["lang"] for button in menu.find_all("button")} == {c: c for c in buttons}
