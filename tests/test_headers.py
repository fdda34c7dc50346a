"""Every answer carries the headers that protect it, whatever it is, and no page has inline script or style."""

import gzip
import http.client
import json
import re
from base64 import b64encode
from hashlib import sha384
from pathlib import Path
from uuid import UUID

import brotli
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.test import Client
from django.urls import get_resolver, include, path

from apikeys.exceptions import BackendUnavailable
from apikeys.web.forms import new_nonce
from console import static_files
from tests.addresses import (
    CREATE,
    DOWNLOAD,
    KEYS,
    MORE_TIME,
    RECEIPT,
    REVIEW,
    SERVICE_IDS,
    UNKNOWN_ID,
    UNKNOWN_SERVICE_ID,
    WEBHOOKS,
    delete_address,
    details_address,
    edit_address,
    pixel_address,
    service_id_address,
)
from tests.cast import ADMIN, PASSWORD
from tests.http_person import HttpPerson
from tests.markup import page, parse
from tests.server import ROOT
from tests.test_pages import many

HTMX = {"HX-Request": "true"}
SAME_EVERYWHERE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
PAGE_POLICY = {
    "default-src": "'none'",
    "script-src": f"'sha384-{b64encode(sha384(static_files.scripts()).digest()).decode()}' 'strict-dynamic'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
    "frame-src": "'none'",
    "worker-src": "'none'",
    "manifest-src": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "default",
    "report-uri": "/csp-reports/",
}
DATA_POLICY = {"default-src": "'none'", "frame-ancestors": "'none'", "sandbox": ""}
FOR_STRANGERS = {"/login/", "/password/choose/"}  # pages without a person, and so without a way to log out
NOT_NEEDED = (
    "camera",
    "microphone",
    "geolocation",
    "usb",
    "payment",
    "display-capture",
    "clipboard-read",
    "hid",
    "serial",
)


# What goes wrong, for this module's own addresses beside the console's


def fail(request):
    raise RuntimeError("a bug")


def forbid(request):
    raise PermissionDenied


def suspect(request):
    raise SuspiciousOperation("a strange request")


def unavailable(request):
    raise BackendUnavailable


urlpatterns = [
    path("", include("console.urls")),
    path("trouble/500/", fail),
    path("trouble/403/", forbid),
    path("trouble/400/", suspect),
    path("trouble/503/", unavailable),
]
handler400 = "console.views.bad_request"
handler403 = "console.views.permission_denied"
handler404 = "console.views.page_not_found"
handler500 = "console.views.server_error"


def policy_of(response) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in response.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, _space, sources in parts if name}


def check_headers(response, *, dynamic: bool = True) -> None:
    """Fail unless the answer has the headers that every answer has and those of its kind, and a page good markup."""
    headers = response.headers
    assert {name: headers.get(name) for name in SAME_EVERYWHERE} == SAME_EVERYWHERE
    is_page = headers.get("Content-Type", "").startswith(("text/html", "image/svg+xml"))
    assert policy_of(response) == (PAGE_POLICY if is_page else DATA_POLICY)
    off = {rule.strip() for rule in headers["Permissions-Policy"].split(",")}
    assert {f"{feature}=()" for feature in NOT_NEEDED} <= off
    assert not [name for name in headers if name.lower().startswith(("access-control-", "x-powered-by"))]
    assert headers.get("Server", "granian") == "granian"  # no version
    if dynamic:
        assert headers["Cache-Control"] == "no-store"
        assert not [name for name in ("ETag", "Last-Modified", "Expires") if name in headers]
    if headers.get("Content-Type", "").startswith("text/html"):
        check_markup(response.content.decode())


def check_markup(html: str) -> None:
    """Fail if the page needs what its policy forbids, or loads something from elsewhere."""
    for element in parse(html).everything():
        assert element.tag not in ("style", "iframe", "object", "embed", "base", "applet")
        assert not [name for name in element.attributes if name.startswith(("on", "hx-on")) or name == "style"], (
            element.tag
        )
        assert not element.attributes.get("hx-vals", "").startswith(("js:", "javascript:"))
        if element.tag == "script":
            assert re.match("/[^/]", element["src"])
            assert element.raw.strip() == ""
        for name in ("href", "src", "action", "formaction", "poster", "data"):
            address = element.attributes.get(name, "")
            assert not re.match(r"(?i)\s*(javascript|data|vbscript|https?|ftp):|//", address), (
                f"{element.tag} {address}"
            )


# Every route


PLAIN_ADDRESSES = [
    "/", "/login/", "/password/", "/time-zone/", *(f"/sessions/{part}" for part in ("", "end/", "nobody/end/")),
    *(f"/manage/users/nobody/sessions/{part}" for part in ("", "end/", "nobody/end/")),
    "/manage/", "/manage/security/", KEYS, KEYS.rstrip("/"),
    "/manage/security/activity/", "/manage/security/activity/export/?format=csv",
    f"{KEYS}?q=x&sort=name", REVIEW, f"{REVIEW}rules/",
    CREATE, f"{CREATE}1/settle/", RECEIPT, MORE_TIME, DOWNLOAD, pixel_address("0" * 64), edit_address(UNKNOWN_ID),
    delete_address(UNKNOWN_ID), details_address(UNKNOWN_ID), "/docs/api/",
    f"{details_address(UNKNOWN_ID)}lock/", f"{details_address(UNKNOWN_ID)}unlock/",
    f"{details_address(UNKNOWN_ID)}disable/", f"{details_address(UNKNOWN_ID)}enable/",
    *(f"{details_address(UNKNOWN_ID)}{part}/" for part in (
        "rotate", "end-previous", "extend-previous", "pause", "resume", "restore", "alarm-seen",
    )), SERVICE_IDS, f"{SERVICE_IDS}create/",
    *(service_id_address(UNKNOWN_SERVICE_ID, what) for what in (
        "", "edit/", "lock/", "unlock/", "disable/", "enable/", "take-over/", "delete/",
    )), f"{KEYS}deleted/", f"{KEYS}export/?format=csv", f"{KEYS}found/", f"{KEYS}found/end/", f"{KEYS}refusals/",
    f"{KEYS}revoke/", f"{KEYS}revoke/nobody/",
    f"{KEYS}bulk/", f"{KEYS}bulk/{UUID(int=0)}/", f"{KEYS}bulk/{UUID(int=0)}/more/",
    "/login/second/", "/account/prove/", "/account/factors/", "/account/passcode/", "/account/mails/",
    "/manage/users/nobody/reset-factors/",
    *(f"/account/factors/{what}/" for what in ("app", "app/remove", "recovery", "passkey", "passkey/begin")),
    "/account/factors/passkey/use/", f"/account/factors/passkey/{'0' * 64}/remove/", "/login/passkey/",
    "/login/passkey/use/", "/login/sso/", "/login/sso/callback/",
    *(f"/account/sso/{part}/" for part in ("prove", "proved", "connect", "disconnect")),
    "/logout/", "/language/", "/theme/", "/admin/", "/password/choose/", "/manage/users/", "/manage/users/create/",
    "/manage/users/nobody/", "/manage/rules/", WEBHOOKS, f"{WEBHOOKS}create/", f"{WEBHOOKS}{UUID(int=0)}/",
    *(f"{WEBHOOKS}{UUID(int=0)}/{what}/" for what in ("test", "secret", "since", "delete", f"again/{UUID(int=0)}")),
    *(f"/manage/scopes/{what}" for what in ("", "edit/", "delete/")),
    *(f"/manage/users/nobody/{part}/" for part in ("activate", "deactivate", "delete", "link")), "/healthz", "/readyz",
    "/metrics", "/csp-reports/", "/nowhere/", "/favicon.ico", "/static/nothing.css", "/%00", "/%FF",
]  # fmt: skip


@pytest.mark.parametrize("address", PLAIN_ADDRESSES)
def test_every_address_answers_everybody_with_the_headers(client, alice_client, dora_client, address):
    for visitor in (client, alice_client, dora_client):
        for method in ("get", "head", "post", "put", "options"):
            for headers in ({}, HTMX):
                response = getattr(visitor, method)(address, headers=headers)
                check_headers(response)
                if response.streaming:
                    b"".join(response)  # an export keeps its place to its end
                elif visitor is alice_client and (method, response.status_code, headers) == ("get", 200, {}):
                    is_page = response.headers["Content-Type"].startswith("text/html")
                    assert not is_page or 'action="/logout/"' in response.text or address in FOR_STRANGERS


OTHERS = ("v1", "identity", "oidc", ".well-known")  # the API's, which has tests of its own


def test_the_list_of_addresses_above_is_whole():
    ours = {route for route in routes(get_resolver("console.urls")) if not route.startswith(OTHERS)}

    listed = "\n".join(PLAIN_ADDRESSES)
    missing = {route for route in ours if not re.search(rf"^/{as_pattern(route)}(\?.*)?$", listed, re.MULTILINE)}
    assert missing == set()


def routes(resolver, prefix: str = ""):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


def as_pattern(route: str) -> str:
    return "[^/\n]+".join(re.escape(part) for part in re.split(r"<[^>]*>", route))


@pytest.mark.parametrize("status", [400, 403, 500, 503])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
def test_what_goes_wrong_has_a_page_of_ours_with_the_headers(alice_client, settings, status, headers):
    settings.ROOT_URLCONF = __name__
    alice_client.raise_request_exception = False

    response = alice_client.get(f"/trouble/{status}/", headers=headers)

    assert response.status_code == status
    check_headers(response)
    assert page(response).text
    assert "RuntimeError" not in response.content.decode()
    if headers:
        assert response["HX-Retarget"] == "#problem"
    else:
        assert page(response).find("h1").text


def test_a_bug_is_told_without_any_detail(alice_client, settings):
    settings.ROOT_URLCONF = __name__
    alice_client.raise_request_exception = False

    tree = page(alice_client.get("/trouble/500/"))

    assert tree.find("h1").text == "Something went wrong"
    assert "The server could not finish this request. Try again shortly." in tree.text
    assert "a bug" not in tree.text


@pytest.mark.parametrize("address", [*PLAIN_ADDRESSES, "/static/console.css"])
def test_another_host_is_refused_on_every_address_with_the_headers(alice_client, address):
    response = alice_client.get(address, headers={"Host": "evil.example"})

    assert response.status_code == 400
    check_headers(response)
    assert "evil.example" not in response.content.decode()


def test_what_is_created_changed_and_deleted_has_the_headers(alice_client, alices_key):
    form = {"name": "another", "nonce": new_nonce()}
    key = alices_key.key
    answers = [
        (200, alice_client.post(CREATE, form)),
        (200, alice_client.post(CREATE, form, headers=HTMX)),
        (422, alice_client.post(CREATE, form | {"name": ""})),
        (200, alice_client.post(DOWNLOAD, form)),
        (409, alice_client.post(CREATE, form)),
        (204, alice_client.post(RECEIPT, form, headers=HTMX)),
        (409, alice_client.post(edit_address(key.id), {"name": "x", "entity_tag": "stale"})),
        (303, alice_client.post(edit_address(key.id), {"name": "x", "entity_tag": key.entity_tag})),
        (200, alice_client.post(delete_address(key.id), headers=HTMX)),
        (413, alice_client.post(CREATE, {"name": "x" * 1_000_000})),
        (403, Client(enforce_csrf_checks=True).post("/login/")),
        (422, Client().post("/login/", {"username": "x", "password": "y"})),
        (401, Client().get(KEYS, headers=HTMX)),
        (503, alice_client.get(KEYS, headers={"Sec-Purpose": "prefetch"})),
    ]

    for status, answer in answers:
        assert answer.status_code == status
        check_headers(answer)


def test_a_file_with_a_value_is_data_that_no_browser_shows_or_keeps(alice_client):
    nonce = new_nonce()
    alice_client.post(CREATE, {"name": "terraform", "nonce": nonce})

    response = alice_client.post(DOWNLOAD, {"nonce": nonce})

    assert policy_of(response) == DATA_POLICY
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["Cache-Control"] == "no-store"


# Compression


COMPRESSED = [
    "/", KEYS, f"{KEYS}?sort=name", f"{KEYS}?sort=-name&per_page=50", f"{KEYS}?status=active&leaked=false",
    "/docs/api/",
]  # fmt: skip


def coding_of(response) -> str:
    return response.headers.get("Content-Encoding", "")


@pytest.mark.parametrize("address", COMPRESSED)
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("", ""),
        ("br; q=0.0, gzip ;q=0", ""), ("brotli, x-gzip", ""),
    ],
)  # fmt: skip
def test_what_reflects_nothing_and_holds_no_value_is_compressed(
    dora_client, create_key, dora, address, accepted, coding
):
    create_key(dora, "terraform")
    plain = dora_client.get(address).content

    response = dora_client.get(address, headers={"Accept-Encoding": accepted})

    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, "": bytes}[coding]
    assert coding_of(response) == coding
    assert "Accept-Encoding" in response.headers["Vary"]
    assert int(response.headers["Content-Length"]) == len(response.content) <= len(plain)
    assert page_text(unpack(response.content)) == page_text(plain)


def page_text(content: bytes) -> str:
    return parse(content.decode()).text


def test_a_page_that_a_stranger_can_have_a_hand_in_or_that_holds_a_value_is_never_compressed(
    alice, alice_client, dora_client, alices_key
):
    """A compressed page with a secret and something of a stranger's choice can be read by its length."""
    many(alice, 30)
    headers = {"Accept-Encoding": "gzip, br"}
    key, nonce = alices_key.key, new_nonce()
    following = page(alice_client.get(KEYS)).find("a", rel="next")["href"]
    addresses = [
        f"{KEYS}?q={'x' * 100}", f"{KEYS}?q=", f"{KEYS}?unknown=x", f"{KEYS}?sort=name&x=y", following,
        f"{KEYS}?created_since=2020-01-01", f"{KEYS}?status=x", f"{KEYS}?leaked=false&status=active", "/?x=y",
        "/docs/api/?x=y", "/login/", "/login/?next=/x", "/password/", CREATE, edit_address(key.id),
        delete_address(key.id), details_address(key.id), "/nowhere/", "/healthz", "/manage/users/",
    ]  # fmt: skip
    answers = [client.get(address, headers=headers) for address in addresses for client in (alice_client, Client())]
    answers += [
        dora_client.get(f"{KEYS}?view=all", headers=headers),
        alice_client.post(CREATE, {"name": "", "nonce": nonce}, headers=headers),
        alice_client.post(CREATE, {"name": "another", "nonce": nonce}, headers=headers),
        alice_client.post(f"{CREATE}?sort=name", {"name": "third", "nonce": new_nonce()}, headers=headers | HTMX),
        alice_client.post(DOWNLOAD, {"nonce": nonce}, headers=headers),
        alice_client.post(edit_address(key.id), {"name": "x", "entity_tag": "stale"}, headers=headers),
        alice_client.post(f"{details_address(key.id)}lock/", headers=headers | HTMX | {"HX-Current-URL": KEYS}),
    ]

    assert [coding_of(answer) for answer in answers] == [""] * len(answers)


@pytest.mark.parametrize(
    "sent", ["a-request-id-of-a-proxy", "4bf92f3577b34da6a3ce929d0e0e4736", "", "a b c", "<script>alert(1)</script>"]
)
def test_the_server_names_each_request_itself_whatever_its_client_calls_it(client, db, sent):
    first, second = (client.get("/healthz", headers={"X-Correlation-Id": sent})["X-Correlation-Id"] for _ in range(2))

    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert sent not in (first, second)
    assert first != second


# Cookies


def test_every_cookie_belongs_to_this_host_alone_and_no_script_reads_it(alice, db):
    client = Client()
    client.get("/login/")
    client.post("/login/", {"username": "alice", "password": PASSWORD})
    client.post("/language/", {"language": "zh-hant"})
    client.post("/theme/", {"theme": "dark"})

    assert set(client.cookies) == {"session", "csrf", "device", "language", "theme"}
    for cookie in client.cookies.values():
        assert cookie["httponly"] is True
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")
        assert len(f"{cookie.key}{cookie.value}") < 300  # browsers keep 4,096


# No inline script or style


@pytest.mark.parametrize("template", sorted(ROOT.glob("templates/**/*.html")), ids=lambda path: path.name)
def test_no_template_has_inline_script_or_style(template: Path):
    source = re.sub(
        r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL
    )

    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=|\shx-on|javascript:", source, re.IGNORECASE)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source, re.IGNORECASE)
    assert not re.search(r"""(?:href|src|action)=["'](?:https?:)?//""", source, re.IGNORECASE)
    assert "|safe" not in source
    assert "autoescape off" not in source


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["browser", "htmx"])
def test_no_page_of_something_that_is_there_has_inline_script_or_style(dora, dora_client, create_key, headers):
    key = create_key(dora).key
    addresses = (KEYS, f"{KEYS}?q=nothing", edit_address(key.id), delete_address(key.id), details_address(key.id))

    for address in (*addresses, "/", "/manage/users/", f"/manage/users/{dora.iam_id}/"):
        response = dora_client.get(address, headers=headers)

        assert response.status_code == 200
        check_headers(response)


def test_scripts_carry_the_hash_of_what_they_must_be(alice_client):
    scripts = page(alice_client.get(KEYS)).find_all("script")

    assert [script["src"].rpartition("/")[2] for script in scripts] == ["scripts.js"]
    assert all(re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", script["integrity"]) for script in scripts)


def test_htmx_is_told_to_keep_no_pages_and_to_run_nothing():
    told = re.search(r"Object\.assign\(htmx\.config,\s*(\{.*?\})\);", static_files.scripts().decode(), re.DOTALL)

    config = json.loads(told[1])

    assert config["historyCacheSize"] == 0
    assert config["includeIndicatorStyles"] is config["allowEval"] is config["allowScriptTags"] is False
    assert config["selfRequestsOnly"] is True


# The real server: static files, and what happens before Django


@pytest.fixture(scope="module")
def visitor(console_server) -> HttpPerson:
    with HttpPerson(console_server.url) as person:
        yield person.log_in(*ADMIN)


def test_static_files_have_the_headers_and_are_kept_for_a_year(visitor):
    tree = page(visitor.get(KEYS))
    addresses = [script["src"] for script in tree.find_all("script")] + [link["href"] for link in tree.find_all("link")]
    addresses += [use["href"].partition("#")[0] for use in tree.find_all("use")]

    assert len(set(addresses)) == 3  # with the page itself four requests
    for address in set(addresses):
        response = visitor.get(address)
        assert response.status_code == 200
        assert re.search(r"\.[0-9a-f]{12}\.(css|js|svg)$", address), "named by its content"
        kept = {rule.strip() for rule in response.headers["Cache-Control"].split(",")}
        assert kept == {"public", "max-age=31536000", "immutable"}
        check_headers(response, dynamic=False)


def test_the_scripts_that_are_served_have_the_hash_that_the_page_demands(visitor):
    for script in page(visitor.get(KEYS)).find_all("script"):
        served = visitor.get(script["src"]).content

        assert script["integrity"] == f"sha384-{b64encode(sha384(served).digest()).decode()}"


@pytest.mark.parametrize(
    "address",
    [
        "/static/nothing.css",
        "/static/",
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/nowhere/",
        "/login/",
        KEYS,
    ],
)
def test_the_real_server_has_the_headers_on_all_else(visitor, address):
    check_headers(visitor.get(address))


def test_the_real_server_takes_no_megabyte_and_refuses_another_host_even_for_static_files(visitor):
    script = page(visitor.get(KEYS)).find_all("script")[0]["src"]

    too_much = visitor.post(CREATE, data={"name": "x" * 1_000_000})
    elsewhere = [
        visitor.get(address, headers={"Host": "evil.example"}) for address in ("/", "/login/", "/healthz", script)
    ]

    assert [response.status_code for response in (too_much, *elsewhere)] == [413, 400, 400, 400, 400]
    for response in (too_much, *elsewhere):
        check_headers(response)


def test_the_real_server_answers_nonsense_and_lives_on(visitor, console_server):
    for line in (
        "GET /%00 HTTP/1.1",
        "GET /../../etc/passwd HTTP/1.1",
        "BREW / HTTP/1.1",
        "GET / HTTP/1.1\r\nContent-Length: x",
    ):
        connection = http.client.HTTPConnection("127.0.0.1", console_server.port, timeout=30)
        connection.connect()
        connection.sock.sendall(f"{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = connection.sock.recv(65536)
        connection.close()

        assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert visitor.get("/healthz").text == "ok\n"


def test_the_settings_of_the_tests_are_those_of_the_console_where_it_matters():
    dispatcher, *pages = django_settings.MIDDLEWARE
    assert dispatcher == "console.doors.by_address"
    assert pages[0] == "console.middleware.security_headers"
    assert "django.middleware.gzip.GZipMiddleware" not in pages
    assert django_settings.MESSAGE_STORAGE == "django.contrib.messages.storage.session.SessionStorage"
