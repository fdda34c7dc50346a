"""Whatever is sent: a clear answer at the right place, what was typed is kept, nothing is made and nothing is lost."""

import logging
from urllib.parse import quote_plus, urlencode

import pytest
from django.test import Client

from apikeys.models import ApiKeyRecord, AuditEvent, Handover
from apikeys.web.forms import new_nonce
from tests.addresses import CREATE, DOWNLOAD, KEYS, MORE_TIME, RECEIPT, UNKNOWN_ID, delete_address, edit_address
from tests.markup import fields, page

HTMX = {"HX-Request": "true"}
FORM = "application/x-www-form-urlencoded"
CONTROL = "This contains a control character. Remove it."
HALF = "This contains an invalid character. Type it again."

# Field, what is typed into it (bytes go into the form's body as they are), what is said beside it.
BAD = [
    ("name", "", "Enter a name."),
    ("name", "   ", "Enter a name."),
    ("name", "\t\u00a0\u3000", "Enter a name."),
    ("name", "x" * 256, "This has 256 characters. Use at most 255."),
    ("name", "🔑" * 256, "This has 256 characters. Use at most 255."),
    ("description", "x" * 1001, "This has 1001 characters. Use at most 1000."),
    ("name", "a\ab", CONTROL),
    ("name", "a\x1b[31mb", CONTROL),
    ("name", "a\x7fb", CONTROL),
    ("name", "a\x85b", CONTROL),
    ("name", "a\r\nb", CONTROL),
    ("description", "a\ab", CONTROL),
    ("description", "a\x9bb", CONTROL),
    ("name", "a\0b", CONTROL),
    ("description", "a\0b", CONTROL),
    ("name", b"a%ED%A0%80b", HALF),
    ("name", b"a%ED%BF%BFb", HALF),
    ("name", b"a%FFb", HALF),
    ("description", b"a%ED%A0%80b", HALF),
    ("description", b"a%F0%9F%94b", HALF),
    ("expires", "tomorrow", "Select a valid choice. tomorrow is not one of the available choices."),
    ("expires_on", "", "Choose a date."),
    ("expires_on", "2001-01-31", "This date is in the past. Choose a later one."),
    ("expires_on", "31.1.", "Enter a date like 2030-01-31."),
    ("expires_time", "5 pm", "Enter a time like 17:30."),
    ("expires_time", "24:00", "Enter a time like 17:30."),
    ("expires_time", "\0", "Enter a time like 17:30."),
]
BESIDE = {
    "expires_on": {"expires": "date"},
    "expires_time": {"expires": "date", "expires_on": "2199-01-31"},
}  # what makes a field count
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "o'neill<b>&\"",
    "&lt;b&gt; &amp; &#39;",
    "</title></textarea></dialog><!--",
    "{{ 7|add:7 }}{% csrf_token %}",
    "javascript:alert(1)",
    "🔑👩‍👩‍👧‍👦🇹🇼",
    "مفتاح الخادم",
    "gnp\u200b.\u2060exe\u00ad",
    "a\u0301\u0302\u0303\u0304\u0305" * 10,
    "%(name)s %s {0} %",
]  # fmt: skip


def body_of(typed: dict[str, str | bytes]) -> bytes:
    pairs = [
        quote_plus(name).encode() + b"=" + (text if isinstance(text, bytes) else quote_plus(text).encode())
        for name, text in typed.items()
    ]
    return b"&".join(pairs)


def everything() -> list[tuple]:
    """Return all that a person could lose."""
    return [*ApiKeyRecord.objects.order_by("id").values_list(), *Handover.objects.order_by("id").values_list()]


@pytest.fixture
def key(alices_key):
    return alices_key.key


@pytest.fixture(params=["create", "edit"])
def form(request, alice_client, key):
    """Each of the two forms, filled in well: where it is sent, its id, what it sends."""
    address = CREATE if request.param == "create" else edit_address(key.id)
    form_id = f"{request.param}-form"
    sent = fields(page(alice_client.get(address)).find("form", id=form_id))
    return address, form_id, sent | {"name": "a good name", "description": "a good description"}


# Bad text and choices


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
@pytest.mark.parametrize(("field", "typed", "sentence"), BAD)
def test_what_is_wrong_is_told_beside_its_field_and_the_rest_is_kept(
    alice_client, form, field, typed, sentence, headers
):
    address, form_id, sent = form
    sent |= BESIDE.get(field, {})
    before = everything()

    response = alice_client.post(address, body_of(sent | {field: typed}), content_type=FORM, headers=headers)

    tree = page(response)
    drawn = tree.find("form", id=form_id)
    control = drawn.find(name=field)
    assert response.status_code == 422
    assert control["aria-invalid"] == "true"
    [error] = [part for part in control["aria-describedby"].split() if part.endswith("-error")]
    assert drawn.find(id=error).text == sentence
    assert [element["name"] for element in drawn.find_all(aria_invalid="true")] == [field]
    kept = fields(drawn)
    expected = {name: text for name, text in sent.items() if name not in (field, "csrfmiddlewaretoken")}
    assert {name: kept[name] for name in expected} == expected
    if isinstance(typed, str) and field != "expires":  # nobody can choose what is not offered
        assert kept[field] == typed
    assert [now.text for now in drawn.find_all(id="expires-now")] == ["Now: does not expire"] * (address != CREATE)
    assert everything() == before


def test_the_page_of_a_refused_form_says_so_in_its_title(alice_client, form):
    address, _form_id, sent = form

    response = alice_client.post(address, sent | {"name": ""})

    assert page(response).find("title").text.startswith("Error: ")


def test_two_bad_fields_are_both_told(alice_client, form):
    address, form_id, sent = form

    drawn = page(alice_client.post(address, sent | {"name": "", "description": "x" * 1001})).find("form", id=form_id)

    assert drawn.find(id="id_name-error").text == "Enter a name."
    assert drawn.find(id="id_description-error").text == "This has 1001 characters. Use at most 1000."


def test_a_form_that_was_mended_makes_its_key(alice_client):
    sent = fields(page(alice_client.get(CREATE)).find("form", id="create-form"))
    refused = alice_client.post(CREATE, sent | {"name": "", "description": "kept"})
    mended = fields(page(refused).find("form", id="create-form")) | {"name": "terraform"}

    response = alice_client.post(CREATE, mended)

    assert response.status_code == 200
    assert list(ApiKeyRecord.objects.values_list("name", "description")) == [("terraform", "kept")]


def test_fields_that_are_missing_are_as_good_as_empty(alice_client, form):
    address, form_id, _sent = form

    drawn = page(alice_client.post(address)).find("form", id=form_id)

    assert drawn.find(id="id_name-error").text == "Enter a name."


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "raw_unicode_escape", "utf-16", "rot13", "nonsense"])
@pytest.mark.parametrize("address", [CREATE, "/login/", "/theme/", "/language/"])
def test_a_body_in_an_odd_encoding_is_no_error_of_ours(alice_client, monkeypatch, address, charset):
    halves = {"utf-7": "a+2AA-b", "unicode_escape": "a\\ud800b", "raw_unicode_escape": "a\\ud800b"}
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{halves.get(charset, "a")}\r\n'
        for name in ("name", "description", "nonce", "username", "password", "next", "theme", "language")
    )
    alice_client.raise_request_exception = False
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # xdist can't report half a character

    response = alice_client.generic(
        "POST", address, f"{parts}--x--\r\n".encode(), f"multipart/form-data; boundary=x; charset={charset}"
    )

    assert response.status_code < 500
    assert ApiKeyRecord.objects.count() == 0


# A bad nonce


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
@pytest.mark.parametrize("nonce", ["", "x", "x" * 129, "é" * 30, "a\0" * 20, "<script>alert(1)</script>-----"])
def test_a_form_without_its_nonce_is_told_and_can_be_sent_again(alice_client, nonce, headers):
    typed = {"name": "terraform", "description": "kept"}

    response = alice_client.post(CREATE, typed | {"nonce": nonce}, headers=headers)

    drawn = page(response).find("form", id="create-form")
    renewed = fields(drawn)
    assert response.status_code == 422
    assert drawn.find(role="alert").text == "This form is incomplete. Send it again."
    assert {name: renewed[name] for name in typed} == typed
    assert ApiKeyRecord.objects.count() == 0
    assert alice_client.post(CREATE, renewed).status_code == 200
    assert ApiKeyRecord.objects.count() == 1


def test_a_download_without_its_nonce_is_a_page_that_says_so(alice_client):
    response = alice_client.post(DOWNLOAD, {"nonce": "x"})

    assert response.status_code == 400
    assert "This form is incomplete. Send it again." in page(response).find("main").text


@pytest.mark.parametrize("entity_tag", ["", "x", "1-" + "0" * 32, "x" * 5000, "\0", "<script>"])
def test_an_edit_without_the_keys_tag_is_a_conflict_that_is_shown(alice_client, key, entity_tag):
    response = alice_client.post(edit_address(key.id), {"name": "tofu", "entity_tag": entity_tag})

    tree = page(response)
    assert response.status_code == 409
    assert "Someone changed this API key while you were editing it." in tree.find("dialog").text
    assert ApiKeyRecord.objects.get().name == "terraform"


# Too much


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
@pytest.mark.parametrize("address", [CREATE, "/login/", "/logout/", "/password/", "/nowhere/", "/manage/users/"])
def test_a_megabyte_is_too_much_everywhere(alice_client, key, address, headers):
    before = everything()

    response = alice_client.post(address, {"name": "x" * 1_000_000, "nonce": new_nonce()}, headers=headers)

    assert response.status_code == 413
    assert "Shorten what you typed." in page(response).text
    assert everything() == before
    assert alice_client.get(KEYS).status_code == 200


def test_the_page_for_too_much_speaks_the_readers_language_and_nobody_elses(alice_client):
    alice_client.get(KEYS, headers={"Accept-Language": "zh-Hant"})

    english = alice_client.post(CREATE, {"name": "x" * 1_000_000}, headers={"Accept-Language": "en"})
    chinese = alice_client.post(CREATE, {"name": "x" * 1_000_000}, headers={"Accept-Language": "zh-Hant"})

    assert page(english).find("h1").text == "Too much data"
    assert page(chinese).find("h1").text != "Too much data"


def test_a_file_is_too_much_too(alice_client):
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 1_000_000 + b"\r\n--x--\r\n"
    )

    response = alice_client.post(CREATE, parts, content_type="multipart/form-data; boundary=x")

    assert response.status_code == 413


def test_too_many_fields_are_a_bad_request(alice_client):
    response = alice_client.post(CREATE, urlencode({f"field{n}": "x" for n in range(200)}), content_type=FORM)

    assert response.status_code == 400
    assert page(response).find("h1").text == "Bad request"
    assert ApiKeyRecord.objects.count() == 0


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ("application/json", b'{"name": "terraform"}'),
        ("application/x-www-form-urlencoded; charset=utf-16", b"name=terraform"),
        ("text/plain", b"name=terraform"),
        ("", b"\xff\xfe\x00"),
    ],
)
def test_a_body_that_is_no_form_makes_nothing(alice_client, content_type, body):
    response = alice_client.post(CREATE, body, content_type=content_type)

    assert response.status_code in (400, 422)
    assert page(response).find_all("h1")
    assert ApiKeyRecord.objects.count() == 0


# Without the CSRF token


@pytest.fixture
def strict_client(alice) -> Client:
    """Alice's browser, with the token's cookie, before a server that looks at the token, as the real one does."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get(CREATE)
    return client


@pytest.mark.parametrize(
    "address",
    [CREATE, RECEIPT, MORE_TIME, DOWNLOAD, "/logout/", "/password/", "/language/", "/theme/", "edit", "delete"],
)
def test_without_the_token_every_form_is_refused_on_a_page_of_ours(strict_client, key, address):
    address = {"edit": edit_address, "delete": delete_address}.get(address, lambda _key_id: address)(key.id)
    before = everything()

    response = strict_client.post(address, {"name": "terraform", "nonce": new_nonce()})

    assert response.status_code == 403
    assert page(response).find("h1").text == "This page is out of date"
    assert "Nothing was changed." in page(response).text
    assert everything() == before
    assert strict_client.get(KEYS).status_code == 200, "still logged in"


def test_under_htmx_that_is_told_in_the_page_that_is_open(strict_client):
    response = strict_client.post(CREATE, {"name": "terraform", "nonce": new_nonce()}, headers=HTMX)

    assert response.status_code == 403
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#problem", "innerHTML")
    assert page(response).text.startswith("This page is out of date.")


def test_what_was_typed_is_kept_on_that_page_and_can_be_sent_again(strict_client):
    typed = {"name": "o'neill<b>&\"", "description": "many words", "nonce": new_nonce()}

    refused = strict_client.post(
        CREATE, typed | {"csrfmiddlewaretoken": "x" * 64}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    form = page(refused).find("main").find("form")
    sent_again = strict_client.post(CREATE, fields(form), headers={"Sec-Fetch-Site": "same-origin"})

    assert refused.status_code == 403
    assert [word.text for word in form.find_all("bdi")] == [typed["name"], typed["description"]]
    assert {name: fields(form)[name] for name in typed} == typed
    assert sent_again.status_code == 200
    assert list(ApiKeyRecord.objects.values_list("name", "description")) == [(typed["name"], "many words")]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_form_that_another_site_made_is_not_offered_again(strict_client, site):
    typed = {"name": "planted", "description": "", "nonce": new_nonce()}

    refused = strict_client.post(CREATE, typed, headers={"Sec-Fetch-Site": site} if site else {})

    assert refused.status_code == 403
    assert page(refused).find("main").find_all("form") == []
    assert "planted" not in refused.content.decode()


@pytest.mark.parametrize("address", ["/login/", "/password/", CREATE])
@pytest.mark.parametrize(
    "field", ["apikey", "passcode", "password", "old_password", "new_password1", "new_password2", "anything"]
)
def test_that_page_repeats_only_what_a_form_of_keys_asks_for(strict_client, address, field):
    typed = {"name": "terraform", field: "a secret"}

    refused = strict_client.post(address, typed, headers={"Sec-Fetch-Site": "same-origin"})

    assert refused.status_code == 403
    assert "a secret" not in refused.content.decode()
    assert ("terraform" in refused.content.decode()) == (address == CREATE)


def test_a_form_from_another_origin_is_refused_even_with_the_token(strict_client):
    sent = fields(page(strict_client.get(CREATE)).find("form", id="create-form")) | {"name": "terraform"}

    refused = strict_client.post(CREATE, sent, headers={"Origin": "https://evil.example"})
    accepted = strict_client.post(CREATE, sent, headers={"Origin": "http://testserver"})

    assert (refused.status_code, accepted.status_code) == (403, 200)


# The wrong method


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("post", "/"), ("put", KEYS), ("delete", KEYS), ("patch", CREATE), ("put", CREATE),
        ("delete", CREATE), ("get", RECEIPT), ("get", DOWNLOAD), ("put", DOWNLOAD),
        ("get", MORE_TIME), ("get", "/logout/"),
        ("delete", "/password/"), ("get", "/language/"), ("get", "/theme/"), ("post", "/healthz"), ("post", "/readyz"),
        ("delete", "edit"), ("put", "edit"), ("delete", "delete"), ("patch", "delete"),
    ],
)  # fmt: skip
def test_the_wrong_method_is_told_on_a_page_of_ours(alice_client, key, method, address, headers):
    address = {"edit": edit_address, "delete": delete_address}.get(address, lambda _key_id: address)(key.id)
    before = everything()

    response = getattr(alice_client, method)(address, headers=headers)

    assert response.status_code == 405
    assert response["Allow"]
    assert "This address does not accept that kind of request. Nothing was changed." in page(response).text
    assert everything() == before


# Unknown


@pytest.mark.parametrize(
    "address",
    [
        "/nowhere/", f"{KEYS}nowhere/", f"{KEYS}ApiKey-1/edit/",
        f"{KEYS}{UNKNOWN_ID.lower()}/edit/", f"{KEYS}../../etc/passwd",
        f"{KEYS}%00/edit/", f"{RECEIPT}{'A' * 64}.svg", f"{RECEIPT}{'0' * 63}.svg", "/static/nothing.js", "/.env",
        "/%FF", "/%ED%A0%80", "/manage/users/nobody/nowhere/",
    ],
)  # fmt: skip
def test_an_address_where_nothing_is_has_a_page_of_ours(dora_client, address):
    response = dora_client.get(address)

    assert response.status_code == 404
    tree = page(response)
    assert tree.find("h1").text == "Page not found"
    assert tree.find("a", class_="btn")["href"] == "/"


def test_an_edit_of_an_unknown_key_has_a_page_of_ours(alice_client):
    response = alice_client.get(edit_address(UNKNOWN_ID))

    assert response.status_code == 404
    assert "This API key does not exist. It may have been deleted." in page(response).find("main").text


def test_a_slash_that_was_forgotten_is_forgiven(alice_client):
    response = alice_client.get(KEYS.rstrip("/"))

    assert (response.status_code, response["Location"]) == (301, KEYS)


# Hostile names


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_shown_as_it_is_on_every_page(alice, alice_client, create_key, name):
    create_key(alice, "plain", "plain")
    plain = shape_of_pages(alice_client, ApiKeyRecord.objects.get().id)
    ApiKeyRecord.objects.all().delete()
    AuditEvent.objects.all().delete()
    key = create_key(alice, name, name).key

    tree = page(alice_client.get(KEYS))
    [row] = tree.find("tbody").find_all("tr")
    edit = fields(page(alice_client.get(edit_address(key.id))).find("form", id="edit-form"))
    delete = page(alice_client.get(delete_address(key.id))).find("dialog")

    assert [element.raw for element in row.find_all("bdi")] == [name, name]
    assert (edit["name"], edit["description"]) == (name, name)
    assert delete.find("bdi").raw == name
    assert shape_of_pages(alice_client, key.id) == plain, "no markup of the name's gets in"


def shape_of_pages(client, key_id: str) -> list[list[tuple[str, ...]]]:
    """Return the elements and attributes of every page that names a key."""
    pages = [client.get(address) for address in ("/", KEYS, edit_address(key_id), delete_address(key_id))]
    return [[(element.tag, *element.attributes) for element in page(answer).everything()] for answer in pages]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_shown_as_it_is_when_its_key_is_created_changed_and_deleted(alice_client, name):
    nonce = new_nonce()
    created = page(alice_client.post(CREATE, {"name": name, "description": name, "nonce": nonce})).find("dialog")
    key = ApiKeyRecord.objects.get()
    alice_client.post(edit_address(key.id), {"name": name, "entity_tag": key.entity_tag})
    saved = page(alice_client.get(KEYS)).find(class_="toasts")
    stale = alice_client.post(edit_address(key.id), {"name": "other", "entity_tag": key.entity_tag})
    alice_client.post(delete_address(key.id))
    deleted = page(alice_client.get(KEYS)).find(class_="toasts")

    assert [element.raw for element in created.find_all("bdi")] == [name, name]
    assert (created["data-name"], created["data-description"]) == (name, name)
    assert saved.find("bdi").raw == f"The changes to {name} were saved."
    assert page(stale).find(class_="msg msg--warning").find_all("bdi")[0].raw == name
    assert deleted.find("bdi").raw == f"{name} was deleted and no longer works."


@pytest.mark.parametrize("search", HOSTILE)
def test_any_search_is_shown_as_it_is(alice_client, alices_key, search):
    hostile, plain = (page(alice_client.get(KEYS, {"q": text})) for text in (search, "nothing like it"))

    assert hostile.find("input", id="q")["value"] == search.strip()
    assert [element.tag for element in hostile.everything()] == [element.tag for element in plain.everything()]


def test_bobs_user_id_is_shown_as_it_is(bob, bob_client, dora_client):
    own = page(bob_client.get("/"))
    people = page(dora_client.get("/manage/users/"))

    assert own.find("h1").text == "Dashboard"
    assert f"Welcome, {bob.username}." in own.text
    assert [element.raw for element in own.find("header", class_="header").find_all("bdi")] == [bob.username] * 2
    assert bob.username in [link.text for link in people.find_all("a")]
