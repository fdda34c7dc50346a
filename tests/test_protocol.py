"""HTTP as clients write it, read as they mean it: encoded credentials, bodies in chunks, methods that no page has."""

import base64
import re
import socket

import pytest

from tests.cast import PASSWORD
from tests.programs import CLIENT, Site
from tests.raw_http import send

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PAGES = ("/", "/login/", "/manage/", "/manage/security/apikeys/", "/healthz", "/static/nothing.css", "/nothing")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), "Content-Type": FORM}


def percent_encoded(text: str) -> str:
    """Return each character encoded: no client goes further."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize("spell", [str, percent_encoded, lambda value: value.replace("_", "%5F")])
def test_the_value_of_a_caller_of_introspection_may_be_form_encoded(site, alices, spell):
    value = alices.create_key()["apikey"]

    answer = send(site.url, "POST", "/identity/introspect", basic("apikey", spell(value)), f"apikey={value}".encode())

    assert answer.status == 200
    assert answer.json["active"]


def test_a_value_of_ones_own_that_looks_encoded_is_taken_as_it_is(site, alices):
    value = "one%20of%20my%20own%2C%20long+enough+to+be+taken"
    alices.create_key(apikey=value)

    answer = send(site.url, "POST", "/identity/introspect", basic("apikey", value), b"token=unknown")

    assert (answer.status, answer.json) == (200, {"active": False})


def test_the_client_of_command_lines_may_be_form_encoded(site, site_alice):
    form = f"grant_type=password&username={site_alice.username}&password={PASSWORD.replace(' ', '+')}".encode()

    for path in ("/identity/token", "/oidc/token"):
        answer = send(site.url, "POST", path, basic(*map(percent_encoded, CLIENT)), form)
        assert answer.status == 200
        assert (answer.headers["Pragma"], "no-store" in answer.headers["Cache-Control"]) == ("no-cache", True)


def test_userinfo_tells_whom_a_token_stands_for_and_nothing_of_the_token(site, site_alice, alices):
    assert alices.get("/identity/userinfo").json() == {
        "sub": site_alice.email,
        "iam_id": site_alice.iam_id,
        "realmid": "IBMid",
        "identifier": site_alice.iam_id.removeprefix("IBMid-"),
        "given_name": "Alice",
        "family_name": site_alice.username.removeprefix("alice"),
        "name": f"Alice {site_alice.username.removeprefix('alice')}",
        "email": site_alice.email,
        "account": {"valid": True, "bss": site_alice.account_id, "frozen": True},
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "FOO"])
@pytest.mark.parametrize("path", PAGES)
def test_a_method_that_no_page_has_is_refused_as_such(site: Site, path, method):
    answer = send(site.url, method, path, {}, None)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def many_parts(more: str = "") -> bytes:
    parts = (f'--x\r\nContent-Disposition: form-data; name="a{n}"{more}\r\n\r\n1\r\n' for n in range(200))
    return f"{''.join(parts)}--x--\r\n".encode()


BROKEN = {
    "no boundary": ("multipart/form-data", b"x"),
    "an empty boundary": ('multipart/form-data; boundary=""', b"x"),
    "a very long boundary": (f"multipart/form-data; boundary={'x' * 300}", b"x"),
    "too many fields": (MULTIPART, many_parts()),
    "too many files": (MULTIPART, many_parts(more='; filename="f"')),
    "a form of too many fields": (FORM, b"&".join(b"a%d=1" % number for number in range(200))),
}


@pytest.mark.parametrize("path", ["/login/", "/theme/", "/manage/security/apikeys/create/", "/v1/apikeys"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_form_that_nobody_can_read_is_one_line_in_the_log(site: Site, path, what):
    content_type, body = BROKEN[what]
    lines = len(site.server.log.splitlines())

    answer = send(site.url, "POST", path, {"Content-Type": content_type}, body)

    added = site.server.log.splitlines()[lines:]
    assert answer.status == (401 if path == "/v1/apikeys" else 400)
    assert not [line for line in added if "Traceback" in line or line.startswith(" ")]
    assert len(added) <= 3  # why the form was refused, that it can't be read, and the status


INNER = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ((f"Content-Length: {len(INNER) + 5}", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + INNER),
        (("Transfer-Encoding: chunked", "Content-Length: 4"), IN_CHUNKS),
        (("Content-Length: 0", f"Content-Length: {len(INNER)}"), INNER),
        ((f"Content-Length: +{len(INNER)}",), INNER),
        (("Transfer-Encoding: xchunked", f"Content-Length: {len(INNER)}"), INNER),
        (("Transfer-Encoding : chunked", f"Content-Length: {len(INNER) + 5}"), b"0\r\n\r\n" + INNER),
    ],
)
def test_no_request_is_smuggled_in_the_body_of_another(site: Site, lines, body):
    head = "\r\n".join(("POST /identity/token HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {FORM}", *lines, "", ""))

    with socket.create_connection(("127.0.0.1", site.server.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answers = re.findall(rb"HTTP/1.1 (\d+)", connection.makefile("rb").read())

    assert answers in ([b"400"], []), "refused, or left because the client was gone"


def test_a_page_refuses_a_form_that_may_be_cut_short_or_packed(site: Site):
    headers = {"Content-Type": FORM, "Transfer-Encoding": "chunked", "Sec-Fetch-Site": "same-origin"}

    answer = send(site.url, "POST", "/login/", headers, b"a\r\nusername=a\r\n0\r\n\r\n")
    too_large = send(site.url, "POST", "/login/", headers, b"20001\r\n" + b"a" * 0x20001 + b"\r\n0\r\n\r\n")
    packed = send(site.url, "POST", "/login/", {"Content-Type": FORM, "Content-Encoding": "gzip"}, b"x")

    assert (answer.status, too_large.status, packed.status) == (411, 413, 415)
