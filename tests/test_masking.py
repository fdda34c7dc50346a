"""A value is nowhere in the audit table, in the history or in the log, wherever a client puts it."""

import base64
import json
import logging
import re
import secrets
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from django.urls import get_resolver

from apikeys.values import MASK, mask_agent, mask_correlation_id, mask_origin, mask_path, mask_sent
from console.logs import LineFormatter, MaskFilter
from tests.programs import Program, Site
from tests.raw_http import send

JSON = {"Content-Type": "application/json"}
ID = "ApiKey-00000000-0000-4000-8000-000000000000"
PERSON = "IBMid-0AB1CD2EF3"

# What is searched for: a value of the server's, two of one's own, a token.
SECRETS: dict[str, Callable[[Site, Program], str]] = {
    "a generated value": lambda site, alices: alices.create_key()["apikey"],
    "a value of 32 small letters": lambda site, alices: own_value(alices, string.ascii_lowercase, 32),
    "a value with slashes and spaces": lambda site, alices: own_value(alices, "/ .,;:!+" + string.ascii_lowercase, 60),
    "an access token": lambda site, alices: site.use(alices.create_key()["apikey"]).token,
}


def own_value(alices: Program, alphabet: str, length: int) -> str:
    value = "".join(secrets.choice(alphabet) for _ in range(length - 2))
    return alices.create_key(apikey=f"a{value}z")["apikey"]


def as_id(site: Site, alices: Program, secret: str) -> None:
    for kind in ("apikeys", "serviceids"):
        for method in ("GET", "DELETE", "PUT"):
            alices.call(method, f"/v1/{kind}/{quote(secret, safe='')}", json={"name": "x"}, headers={"If-Match": "*"})
        for action in ("lock", "disable", "nothing"):
            alices.post(f"/v1/{kind}/{quote(secret, safe='')}/{action}")


def in_addresses(site: Site, alices: Program, secret: str) -> None:
    text = quote(secret, safe="")
    for target in (f"/{text}", f"/v1/{text}", f"/v1/apikeys?filter={text}&iam_id={text}", f"/manage/{text}/x",
                   f"/manage/security/apikeys/{text}/", f"/static/{text}", f"/login/?next=/{text}",
                   f"/v1/accounts/{text}/limits/identity?apikeys_per_identity={text}"):  # fmt: skip
        for method in ("GET", "DELETE", "POST"):
            send(site.url, method, target, {"Authorization": f"Bearer {alices.token}"}, b"")


def in_headers(site: Site, alices: Program, secret: str) -> None:
    names = ("User-Agent", "X-Correlation-Id", "Transaction-Id", "X-Forwarded-For", "Accept-Language", "If-Match",
             "Idempotency-Key", "Entity-Lock", "IAM-ApiKey", "HX-Current-URL")  # fmt: skip
    for name in names:
        alices.delete(f"/v1/apikeys/{ID}", headers={name: secret})
        alices.post("/v1/apikeys", json={"name": "x", "iam_id": alices.iam_id}, headers={name: secret})
    bearer = {"Authorization": f"Bearer {alices.token}"}
    for name in ("Host", "Origin", "Referer", "Cookie", "Content-Type", "Authorization"):
        for target in ("/login/", f"/v1/apikeys/{ID}", "/identity/token"):
            send(site.url, "POST", target, bearer | {name: secret}, b"a=b")


def in_bodies(site: Site, alices: Program, secret: str) -> None:
    """Save as the name of a key, where a person sees it."""
    new = {"name": "x", "iam_id": alices.iam_id}
    for name in ("iam_id", "account_id", "expires_at", "action_when_leaked", "store_value", secret):
        alices.post("/v1/apikeys", json={**new, name: secret})
    for name in ("grant_type", "apikey", "username", "refresh_token", "token", secret):
        for path in ("token", "introspect", "revoke"):
            alices.post(f"/identity/{path}", data={"grant_type": "password", name: secret})
    alices.post("/identity/token", files={"apikey": (secret, b"x"), secret: ("x", b"x")})
    program = Program(site.url)
    program.post("/login/", data={"username": secret, "password": secret}, files={secret: (secret, b"x")})


def in_reports(site: Site, alices: Program, secret: str) -> None:
    leaked = alices.create_key()["apikey"]
    report = {"token": leaked, "type": secret, "url": secret, "source": secret}
    body = json.dumps([report]).encode()
    assert send(site.url, "POST", "/v1/leaks", site.sign(body) | JSON, body).status == 200


PLACES = (as_id, in_addresses, in_headers, in_bodies, in_reports)


def spellings(secret: str) -> list[bytes]:
    """Return the ways in which a file may have it; a part of it that is long enough to be guessed from is it, too."""
    whole = [secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]]
    return [text.encode() for text in {*whole, secret[4:-4]}] + [base64.b64encode(secret.encode())]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("what", SECRETS)
def test_no_byte_that_the_server_writes_has_what_a_client_sent(site, alices, what, place):
    secret = SECRETS[what](site, alices)

    place(site, alices, secret)

    kept = site.server.kept()
    found = [name for name, content in kept.items() if any(text in content for text in spellings(secret))]
    assert found == []


def test_an_id_that_is_none_is_audited_as_such_and_a_real_one_as_it_is(site, alices):
    key = alices.create_key("mine")
    alices.post(f"/v1/apikeys/{key['id']}/lock")

    for key_id in (key["id"], ID, "kjhgfdsaqwertzuiopyxcvbnmlkjhgfd", "short"):
        alices.delete(f"/v1/apikeys/{key_id}", headers={"X-Correlation-Id": "a-run-of-mine", "User-Agent": "mine/1.0"})

    crn = f"crn:v1:bluemix:public:iam-identity::a/{alices.claims['account']['bss']}::apikey:"
    events = audited(site, alices.iam_id, "user-apikey.delete")
    assert [event["target_id"] for event in events] == [f"{crn}{key['id']}", f"{crn}{ID}", *["(not an id)"] * 2]
    assert {event["agent"] for event in events} == {"mine/1.0"}
    assert {event["request_data"]["client_correlation_id"] for event in events} == {"a-run-of-mine"}
    names = [event["correlation_id"] for event in events]
    assert "a-run-of-mine" not in names
    assert len(set(names)) == len(names)


def test_the_answer_carries_the_servers_name_of_the_request_by_which_its_event_is_found(site, alices):
    answer = alices.delete(f"/v1/apikeys/{ID}", headers={"X-Correlation-Id": "0" * 32})

    [event] = audited(site, alices.iam_id, "user-apikey.delete")
    assert event["correlation_id"] == answer.headers["X-Correlation-Id"] == answer.headers["Transaction-Id"]
    assert event["correlation_id"] != "0" * 32
    assert event["request_data"]["client_correlation_id"] == "0" * 32


def audited(site: Site, iam_id: str, action: str) -> list[dict]:
    printed = site.server.run_python(
        "import json\nfrom apikeys.models import AuditEvent\n"
        f"rows = AuditEvent.objects.filter(initiator_id={iam_id!r}, action__endswith={action!r})\n"
        "names = ('target_id', 'agent', 'correlation_id', 'request_data')\n"
        "print(json.dumps(list(rows.order_by('event_time').values(*names))))"
    )
    return list(json.loads(printed.splitlines()[-1]))


# The masks


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/v1/apikeys/{ID}/lock", f"/v1/apikeys/{ID}/lock"),
        (f"/v1/apikeys/{'x' * 32}/lock", f"/v1/apikeys/{MASK}/lock"),
        ("/v1/apikeys/short", "/v1/apikeys/short"),
        (f"/v1/apikeys/{'a b/' * 8}x", f"/v1/apikeys/{MASK}"),
        (f"/{'x' * 32}", f"/{MASK}"),
        ("/twenty-characters-x/ twenty more of them", f"/{MASK}"),
        ("/manage/security/apikeys/create/more-time/", "/manage/security/apikeys/create/more-time/"),
        (f"/manage/security/apikeys/{ID}/edit/", f"/manage/security/apikeys/{ID}/edit/"),
        (f"/v1/serviceids/{ID}{'x' * 40}", f"/v1/serviceids/{MASK}"),
        ("/robots.txt", "/robots.txt"),
        ("", ""),
    ],
)
def test_an_address_shows_ids_and_short_words(path, shown):
    assert mask_path(path) == shown


def test_the_words_of_every_long_address_are_known():
    def patterns(resolver) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            below = patterns(pattern) if hasattr(pattern, "url_patterns") else [""]
            yield from (f"{pattern.pattern}{rest}" for rest in below)

    named = [path for path in patterns(get_resolver()) if not re.search(r"\(\?P|digest", path)]
    paths = [f"/{re.sub(r'<[^>]*>', ID, re.sub(r'<[^>]*iam_id>', PERSON, path))}" for path in named]

    assert len(paths) > 50
    assert [path for path in paths if mask_path(path) != path] == []


@pytest.mark.parametrize(
    "text", [ID, f"iam-ServiceId-{ID[7:]}", "Mozilla/5.0 (X11; Linux x86_64)", "a" * 31, "a" * 20 + "." + "a" * 20]
)
def test_ids_and_short_words_of_a_client_stay(text):
    assert mask_sent(text) == text


@pytest.mark.parametrize("word", ["a" * 32, "é" * 40, "-" * 32, f"x{ID}", f"{ID}x", "0123456789abcdef" * 2])
def test_a_long_word_of_a_client_is_masked(word):
    assert mask_sent(f"agent {word}; more") == f"agent {MASK}; more"


@pytest.mark.parametrize(("text", "shown"), [
    ("build-1234", "build-1234"), ("0123456789abcdef" * 2, "0123456789abcdef" * 2), (ID[7:], ID[7:]),
    ("x" * 32, MASK), ("two words", MASK), ("", MASK), ("a" * 100, MASK),
])  # fmt: skip
def test_a_correlation_id_of_a_client_is_a_uuid_or_short(text, shown):
    assert mask_correlation_id(text) == shown


@pytest.mark.parametrize(
    "agent",
    [
        "curl/8.5.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "ibm-cloud-sdk-core-python/3.20.0 os.name=Linux os.version=6.1",
        "my own script",
        "",
    ],
)
def test_the_name_of_software_stays(agent):
    assert mask_agent(agent) == agent


def test_what_names_no_software_and_no_host_is_masked():
    text = "correct horse, battery staple and more"

    assert (mask_agent(text), mask_origin(text)) == (MASK, MASK)
    assert [mask_agent(("ab " * 11)[:length]) for length in (31, 32)] == [("ab " * 11)[:31], MASK]
    assert mask_origin("https://console.example:8000") == "https://console.example:8000"
    assert mask_origin("[::1]:8000") == "[::1]:8000"


@pytest.mark.parametrize("text", ["http://w75/Tr0ub4dor/Xk9q/qWz7/Lm3p/Vb8n/Hs5d", "w75.Tr0ub4dor.Xk9q.qWz7.Lm3p.Vb8n"])
def test_a_value_that_is_sent_as_an_origin_is_masked(text):
    assert mask_origin(text) == mask_origin(f"https://{text.removeprefix('http://')}") == MASK


@pytest.mark.parametrize(
    "value", ["clé-75-Tr0ub4dor.Xk9.qWz7.Lm3p.Vb8n.Hs5d", "pa\\ss-75-Tr0ub4.dor-Xk9.qWz7.Lm3p.Vb8n"]
)
def test_a_value_with_letters_that_django_escapes_is_in_no_line_of_the_log(client, value, caplog, settings):
    """Django writes an address of a refused request in a form of its own."""
    logger = logging.getLogger("django.request")
    logger.addFilter(masks := MaskFilter())
    try:
        client.delete(f"/v1/apikeys/{quote(value)}")
    finally:
        logger.removeFilter(masks)

    [line] = [record.getMessage() for record in caplog.records if record.name == "django.request"]
    assert line == f"Unauthorized: /v1/apikeys/{MASK}"


def test_a_long_address_makes_no_long_line():
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Not Found: %s", ("/a" * 30_000,), None)

    assert len(LineFormatter().format(record)) < 4_200


def test_a_stranger_is_told_nothing_of_a_value_that_somebody_else_has(site, alices, bobs):
    """What can be guessed and what is in use is refused in the same words."""
    taken = alices.create_key()["apikey"]

    answers = [
        bobs.post("/v1/apikeys", json={"name": "mine", "iam_id": bobs.iam_id, "apikey": value})
        for value in (taken, own_value(alices, string.ascii_letters, 40), "password" * 4)
    ]

    assert [answer.status_code for answer in answers] == [400] * 3
    assert len({json.dumps(answer.json()["errors"]) for answer in answers}) == 1
    assert bobs.listed() == []
