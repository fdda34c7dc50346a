"""Creating a key in the browser, with scripts and without: one page holds the value, once, and no other ever does."""

import json
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest

from apikeys.models import ApiKeyRecord, Handover
from apikeys.values import is_genuine
from tests.addresses import CREATE, DOWNLOAD, KEYS, MORE_TIME, RECEIPT, delete_address, edit_address, pixel_address
from tests.conftest import log_in
from tests.markup import Element, described_by, fields, page

HTMX = {"HX-Request": "true"}
NAME, DESCRIPTION = "terraform", "Applies changes"


def open_form(client, url: str = CREATE) -> dict[str, str]:
    """Open the create form and return what it would send."""
    return fields(page(client.get(url)).find("form", id="create-form"))


def fill_in(form: dict[str, str], name: str = NAME, description: str = DESCRIPTION) -> dict[str, str]:
    return form | {"name": name, "description": description}


def value_on(tree: Element) -> str:
    """Return the value that a page shows, "" when it shows none."""
    return "".join(element.raw for element in tree.find_all(id="value"))


def digest_on(tree: Element) -> str:
    [picture] = tree.find("noscript").find_all("img")
    return re.fullmatch(rf"{RECEIPT}([0-9a-f]{{64}})\.svg", picture["src"])[1]


@pytest.fixture
def created(alice_client):
    """Alice has sent the form once: the form, the answer and its tree."""

    form = fill_in(open_form(alice_client))
    response = alice_client.post(CREATE, form)
    tree = page(response)
    return SimpleNamespace(
        client=alice_client,
        form=form,
        response=response,
        tree=tree,
        dialog=tree.find("dialog"),
        key=ApiKeyRecord.objects.get(),
    )


# The form


def test_the_form_asks_for_a_name_and_takes_a_description(alice_client):
    form = page(alice_client.get(CREATE)).find("form", id="create-form")

    name, description = form.find("input", name="name"), form.find("textarea", name="description")
    assert (form["method"], form["action"], form["hx-post"]) == ("post", CREATE, CREATE)
    assert form.find("label", for_=name["id"]).text == "Name"
    assert form.find("label", for_=description["id"]).text == "Description (optional)"
    assert "Say what uses the key" in described_by(form, name)
    assert described_by(form, description) == "Up to 1,000 characters"
    assert "required" in name
    assert (name["autocomplete"], name["spellcheck"], description["spellcheck"]) == ("off", "false", "false")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"action_when_leaked": "shout"}, "Select a valid choice. shout is not one of the available choices."),
        ({"expires": "date"}, "Choose a date."),
    ],
)
def test_what_is_wrong_with_a_choice_is_said_after_its_label_alone(alice_client, typed, sentence):
    response = alice_client.post(CREATE, fill_in(open_form(alice_client)) | typed)

    form = page(response).find("form", id="create-form")
    [wrong] = form.find_all(aria_invalid="true")
    assert response.status_code == 422
    assert described_by(form, wrong) == sentence


def test_each_form_has_its_own_nonce_and_makes_nothing_while_it_is_only_looked_at(alice_client):
    nonces = {open_form(alice_client)["nonce"] for _ in range(5)}

    assert len(nonces) == 5
    assert (ApiKeyRecord.objects.count(), Handover.objects.count()) == (0, 0)


# The page with the value


def test_the_answer_to_the_form_is_the_page_with_the_value(created, settings):
    genuine = is_genuine(value_on(created.tree), settings.APIKEYS_PREFIX)

    assert created.response.status_code == 200
    assert genuine
    assert created.dialog.find("h2").text == "API key created"
    assert created.tree.find("title").text.startswith("API key created")
    assert "Copy or download the key for terraform now" in created.dialog.text


def test_the_value_stands_once_in_the_answer_and_in_no_attribute(created):
    value = value_on(created.tree)

    times = created.response.content.decode().count(value)
    in_attributes = [
        element.tag
        for element in created.tree.everything()
        if any(value in text for text in element.attributes.values())
    ]
    assert times == 1
    assert in_attributes == []


def test_the_value_stands_in_an_element_that_nobody_translates_checks_or_remembers(created):
    element = created.tree.find(id="value")

    assert element.tag == "code"
    assert (element["translate"], element["spellcheck"]) == ("no", "false")
    assert created.dialog.find("div", class_="field", data_once="").find_all("code") == [element]
    assert created.dialog["hx-history"] == "false"
    assert (created.dialog["data-lifetime"], created.dialog["data-extensions"]) == ("300", "2")


def test_at_least_forty_harmless_characters_stand_before_the_value(created):
    fragment = created.response.content.decode().partition("<dialog")[2]
    before = fragment.partition(value_on(created.tree))[0].partition(">")[2]

    assert len(re.sub(r"<[^>]*>", "", before).strip()) >= 40


def test_the_value_is_masked_until_somebody_asks_to_see_it(created):
    secret = created.dialog.find(class_="box secret")

    assert secret.find(class_="mask")["aria-hidden"] == "true"
    assert "checked" not in secret.find("input", id="show")
    assert [label.text for label in secret.find_all("label")] == ["ShowHide"]


def test_the_page_says_that_it_is_the_only_one(created):
    warning = created.dialog.find(class_="msg msg--warning", data_before_end="").text

    assert "Save the key before you close this window." in warning
    assert "Nobody can show or download it again, not even an administrator." in warning


def test_the_page_offers_what_the_file_needs_without_the_value(created):
    dialog = created.dialog

    assert (dialog["data-name"], dialog["data-description"]) == (NAME, DESCRIPTION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000", dialog["data-created-at"])
    assert fields(dialog.find("form", action=DOWNLOAD))["nonce"] == created.form["nonce"]
    assert fields(dialog.find("form", action=RECEIPT))["nonce"] == created.form["nonce"]


def test_htmx_gets_the_dialog_alone(alice_client):
    response = alice_client.post(CREATE, fill_in(open_form(alice_client)), headers=HTMX)

    [dialog] = [child for child in page(response).children if isinstance(child, Element)]
    shown = len(value_on(page(response)))
    assert (response.status_code, dialog.tag, dialog["id"]) == (200, "dialog", "created")
    assert shown == 44


def test_the_new_key_is_in_the_list_behind_the_dialog(created):
    assert [cell.text for cell in created.tree.find_all("th", role="rowheader")] == [NAME]


def test_the_page_offers_to_test_the_key_and_to_copy_each_sample_by_its_name(created):
    [test] = [button for button in created.dialog.find_all("button") if "data-test" in button]
    use = created.dialog.find("details", class_="use")
    named = [
        " ".join(use.find(id=part).text for part in button["aria-labelledby"].split())
        for button in use.find_all("button")
    ]

    copied = [use.find(id=button["data-copy-sample"]) for button in use.find_all("button")]
    assert test["data-test"] == "/identity/token"
    assert "hidden" in created.dialog.find("div", class_="stack", data_js="")
    assert named == [f"Copy {title.text}" for title in use.find_all("h3")]
    assert copied == [sample.find("code") for sample in use.find_all("pre")]


# Never again


@pytest.mark.parametrize("path", ["/", KEYS, f"{KEYS}?q=terraform", CREATE, "edit", "delete"])
def test_no_other_page_ever_shows_the_value(created, alice, dora_client, path):
    path = {"edit": edit_address, "delete": delete_address}.get(path, lambda _key_id: path)(created.key.id)

    answers = [
        client.get(path, headers=headers)
        for client in (created.client, log_in(alice), dora_client)
        for headers in ({}, HTMX)
    ]

    shown = [answer for answer in answers if value_on(created.tree) in answer.content.decode()]
    assert shown == []


def test_the_form_sent_again_shows_the_same_key_and_makes_no_second(created):
    again = created.client.post(CREATE, created.form)

    same = value_on(page(again)) == value_on(created.tree)
    assert again.status_code == 200
    assert same
    assert ApiKeyRecord.objects.count() == 1


def test_after_the_receipt_the_form_sent_again_gets_a_clear_page(created):
    created.client.post(RECEIPT, {"nonce": created.form["nonce"]}, headers=HTMX)

    again = created.client.post(CREATE, created.form)

    tree = page(again)
    shown = value_on(created.tree) in again.content.decode()
    assert again.status_code == 409
    assert not shown
    assert tree.find("h1").text == "This key was already created"
    assert "This API key was created and shown. Its value is never shown a second time." in tree.text
    assert "No second key was created." in tree.text
    links = {link.text: link["href"] for link in tree.find("main").find_all("a")}
    assert links["Delete the key whose value is lost"] == delete_address(created.key.id)
    assert links["Go to the list"] == KEYS
    assert links["Create another key"] == CREATE
    assert ApiKeyRecord.objects.count() == 1


def test_htmx_gets_the_same_words_as_a_dialog(created):
    created.client.post(RECEIPT, {"nonce": created.form["nonce"]}, headers=HTMX)

    again = created.client.post(CREATE, created.form, headers=HTMX)

    [dialog] = [child for child in page(again).children if isinstance(child, Element)]
    assert (again.status_code, dialog.tag) == (409, "dialog")
    assert "Its value is never shown a second time." in dialog.text
    assert delete_address(created.key.id) in [link["href"] for link in dialog.find_all("a")]


def test_a_form_sent_again_after_its_time_says_that_the_time_has_run_out(created):
    Handover.objects.update(sealed=None)

    again = created.client.post(CREATE, created.form)

    assert again.status_code == 409
    assert "the time to show its value has run out" in page(again).text
    assert ApiKeyRecord.objects.count() == 1


def test_bob_with_alices_form_gets_a_key_of_his_own(created, bob_client):
    answer = bob_client.post(CREATE, created.form)

    same = value_on(page(answer)) == value_on(created.tree)
    assert answer.status_code == 200
    assert not same
    assert ApiKeyRecord.objects.count() == 2


# The receipt


def test_the_page_confirms_its_receipt_by_itself(created):
    [confirmation] = [element for element in created.dialog.find_all("div") if "hx-post" in element]

    assert (confirmation["hx-post"], confirmation["hx-trigger"]) == (RECEIPT, "load")
    assert (confirmation["hx-swap"], confirmation["hx-include"]) == ("none", "#receipt-form")


def test_the_receipt_wipes_the_value_and_answers_htmx_with_nothing(created):
    form = fields(created.dialog.find("form", action=RECEIPT))

    response = created.client.post(RECEIPT, form, headers=HTMX)

    assert (response.status_code, response.content) == (204, b"")
    assert Handover.objects.get().sealed is None


def test_closing_without_script_wipes_the_value_and_leads_to_the_list(created):
    form = fields(created.dialog.find("form", action=RECEIPT))

    response = created.client.post(RECEIPT, form)

    assert response.status_code in (302, 303)
    assert response["Location"] == KEYS
    assert Handover.objects.get().sealed is None


@pytest.mark.parametrize("nonce", ["", "x", "x" * 32, "x" * 5000, "é" * 30, "\0" * 30])
def test_a_receipt_for_nothing_does_nothing(created, nonce):
    response = created.client.post(RECEIPT, {"nonce": nonce}, headers=HTMX)

    assert response.status_code == 204
    assert Handover.objects.get().sealed is not None


def test_bob_cannot_confirm_for_alice(created, bob_client):
    bob_client.post(RECEIPT, {"nonce": created.form["nonce"]})
    bob_client.get(pixel_address(digest_on(created.tree)))

    assert Handover.objects.get().received_at is None


# Without script


def test_without_script_a_picture_behind_the_value_ends_the_showing(created):
    picture = created.client.get(pixel_address(digest_on(created.tree)), headers={"Sec-Fetch-Site": "same-origin"})
    again = created.client.post(CREATE, created.form)

    assert (picture.status_code, picture["Content-Type"]) == (200, "image/svg+xml")
    assert picture["Cache-Control"] == "no-store"
    assert again.status_code == 409


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_picture_on_somebody_elses_page_ends_nothing(created, site):
    created.client.get(pixel_address(digest_on(created.tree)), headers={"Sec-Fetch-Site": site})

    assert Handover.objects.get().received_at is None


def test_without_script_the_file_can_be_downloaded_once(created):
    created.client.get(pixel_address(digest_on(created.tree)))

    form = fields(created.dialog.find("form", action=DOWNLOAD))
    file, second = (created.client.post(DOWNLOAD, form) for _ in range(2))

    written = json.loads(file.content)
    same = written.pop("apikey") == value_on(created.tree)
    repeated = value_on(created.tree) in second.content.decode()
    assert (file.status_code, file["Content-Type"]) == (200, "application/json")
    assert file["Content-Disposition"] == 'attachment; filename="apikey.json"'
    assert same
    assert written == {
        "name": NAME,
        "description": DESCRIPTION,
        "createdAt": created.dialog["data-created-at"],
    }
    assert second.status_code == 409
    assert not repeated
    assert page(second).find("h1").text == "This key was already downloaded"
    assert "It may still be on the page where you chose Download API key" in page(second).text


def test_the_file_has_ibms_four_fields_in_their_order_indented_with_tabs(created):
    file = created.client.post(DOWNLOAD, {"nonce": created.form["nonce"]}).content.decode()

    names = re.findall(r'^\t"(\w+)": "[^"]*",?$', file, re.MULTILINE)
    assert names == ["name", "description", "createdAt", "apikey"]
    assert (file[:2], file[-3:]) == ("{\n", "\n}\n")


@pytest.mark.parametrize("text", ["o'neill<b>&\"", "金鑰 🔑", 'say "hi" \\ <script>', "مفتاح"])
def test_the_file_has_any_name_as_it_was_typed(alice_client, text):
    form = fill_in(open_form(alice_client), text, text)
    alice_client.post(CREATE, form)

    file = alice_client.post(DOWNLOAD, {"nonce": form["nonce"]})

    written = json.loads(file.content)
    assert (written["name"], written["description"]) == (text, text)


def test_bob_cannot_download_what_is_alices(created, bob_client):
    response = bob_client.post(DOWNLOAD, {"nonce": created.form["nonce"]})

    shown = value_on(created.tree) in response.content.decode()
    assert response.status_code == 404
    assert not shown
    assert Handover.objects.get().sealed is not None


def test_a_download_is_never_a_link(created):
    assert created.client.get(DOWNLOAD, {"nonce": created.form["nonce"]}).status_code == 405


def test_a_deleted_key_can_not_be_downloaded(created):
    created.client.post(delete_address(created.key.id))

    response = created.client.post(DOWNLOAD, {"nonce": created.form["nonce"]})

    assert response.status_code == 409
    assert "has since been deleted" in page(response).text
    assert not re.search(rb'"apikey"', response.content)


# More time


def test_the_page_says_until_when_its_one_download_waits(created):
    until = created.dialog.find(class_="time-left").find("time")

    begun = Handover.objects.get().sealed_at
    assert until["datetime"] == (begun + timedelta(seconds=295)).isoformat()
    assert until.text == f"{begun + timedelta(seconds=295):%H:%M:%S} UTC"


def test_more_time_is_asked_for_in_another_tab_so_that_the_page_with_the_value_stays(created):
    form = created.dialog.find("form", action=MORE_TIME)

    assert (form["method"], form["target"], form["rel"]) == ("post", "_blank", "noopener")
    assert fields(form)["nonce"] == created.form["nonce"]
    assert form.find("button").text == "More time (opens in a new tab)"


def test_more_time_is_told_twice_and_then_that_there_is_no_more(created):
    created.client.get(pixel_address(digest_on(created.tree)))
    begun = Handover.objects.get().sealed_at

    answers = [created.client.post(MORE_TIME, {"nonce": created.form["nonce"]}) for _ in range(3)]

    told = [page(answer).find("main") for answer in answers]
    shown = [value_on(created.tree) in answer.content.decode() for answer in answers]
    ends = [begun + timedelta(seconds=300 * (1 + extensions) - 5) for extensions in (1, 2, 2)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert shown == [False, False, False]
    assert [main.find("time")["datetime"] for main in told] == [end.isoformat() for end in ends]
    assert ["No more time can be added." in main.text for main in told] == [False, True, True]
    assert created.client.post(DOWNLOAD, {"nonce": created.form["nonce"]}).status_code == 200


def test_after_the_receipt_more_time_says_that_no_download_waits(created):
    created.client.post(RECEIPT, {"nonce": created.form["nonce"]}, headers=HTMX)

    answer = created.client.post(MORE_TIME, {"nonce": created.form["nonce"]})

    shown = value_on(created.tree) in answer.content.decode()
    assert (answer.status_code, page(answer).find("h1").text) == (200, "No download is waiting")
    assert not shown


def test_bob_can_give_alice_no_time_and_learns_nothing(created, bob_client):
    foreign = bob_client.post(MORE_TIME, {"nonce": created.form["nonce"]})
    unknown = [bob_client.post(MORE_TIME, {"nonce": nonce}) for nonce in ("", "x", "x" * 32, "\0" * 30)]

    assert {page(answer).find("main").text for answer in (foreign, *unknown)} == {page(foreign).find("main").text}
    assert Handover.objects.get().extensions == 0


def test_the_page_with_script_gets_no_words_for_its_more_time(created):
    answer = created.client.post(MORE_TIME, {"nonce": created.form["nonce"]}, headers=HTMX)

    assert (answer.status_code, answer.content) == (204, b"")
    assert Handover.objects.get().extensions == 1


def test_the_page_of_more_time_leaves_the_change_of_the_bfcache_cookie_to_the_document_that_follows_the_value(created):
    created.client.post(MORE_TIME, {"nonce": created.form["nonce"]})

    assert "shown" in created.client.get(KEYS).cookies


# The bfcache cookie: Chromium drops a page from its back/forward cache once a cookie has changed after it


def test_the_first_document_after_the_page_changes_a_cookie_that_no_script_reads(created):
    given = created.response.cookies["shown"]
    session = created.client.cookies["session"].value

    left = created.client.get(KEYS).cookies["shown"]
    later = created.client.get(KEYS)

    for cookie in (given, left):
        assert (cookie["httponly"], cookie["path"], cookie["domain"]) == (True, "/", "")
    assert left.value != given.value
    assert "shown" not in later.cookies, "once is enough"
    assert created.client.cookies["session"].value == session


def test_each_page_with_a_value_has_another_cookie(created):
    again = created.client.post(CREATE, fill_in(open_form(created.client)))

    first, second = (answer.cookies["shown"].value for answer in (created.response, again))
    assert first != second


@pytest.mark.parametrize("destination", ["image", "empty", "script", "style"])
def test_what_the_page_fetches_itself_leaves_the_cookie_alone(created, destination):
    picture = created.client.get(pixel_address(digest_on(created.tree)), headers={"Sec-Fetch-Dest": destination})

    assert "shown" not in picture.cookies


def test_the_cookie_says_nothing_of_what_was_shown(created):
    told = created.response.cookies["shown"].value

    leaked = [secret in told for secret in (value_on(created.tree), created.form["nonce"], created.key.id)]
    assert leaked == [False] * 3


# The limit


def test_at_the_limit_the_form_says_so_and_keeps_what_was_typed(alice_client, alices_key, settings):
    settings.APIKEYS_PER_IDENTITY = 1
    form = fill_in(open_form(alice_client), "one more", "please")

    response = alice_client.post(CREATE, form)

    tree = page(response)
    kept = fields(tree.find("form", id="create-form"))
    assert response.status_code == 422
    assert tree.find("form", id="create-form").find(role="alert").text == (
        "You have reached the limit of 1 API keys. Delete a key that you no longer need, then try again."
    )
    assert (kept["name"], kept["description"], kept["nonce"]) == ("one more", "please", form["nonce"])
    assert ApiKeyRecord.objects.count() == 1


# Line breaks


def test_lines_of_a_description_become_one_paragraph(alice_client):
    alice_client.post(CREATE, fill_in(open_form(alice_client), description="one\r\ntwo\nthree\tfour\r\n"))

    assert ApiKeyRecord.objects.get().description == "one two three four"
