"""Passkeys: as a second factor, in place of the password, and as a proof; a device in tests/soft_authenticator.py."""

from datetime import timedelta

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from fido2.utils import websafe_decode

from apikeys.models import AuditEvent
from console.factors import passkeys
from console.factors.models import Passkey, RecoveryCode
from console.sessions import SessionStore
from tests.addresses import CREATE, KEYS
from tests.conftest import NOON
from tests.log_ins import is_logged_in
from tests.markup import fields, page
from tests.second_factors import SECOND, codes_on, half_logged_in, log_in, make_old
from tests.soft_authenticator import Device

ADD, BEGIN, USE = (f"/account/factors/passkey/{part}" for part in ("", "begin/", "use/"))
LOGIN, CHALLENGE = "/login/passkey/", "/login/passkey/use/"
REFUSED = "/login/?passkey=1"
ORIGIN = "http://testserver"


def add(client: Client, device: Device, name: str = "Phone"):
    options = client.post(BEGIN).json()
    return client.post(ADD, {"name": name, "passkey": device.make(options)})


@pytest.fixture
def phone(alice, alice_client) -> Device:
    """Alice's passkey."""
    device = Device(ORIGIN)
    assert add(alice_client, device).status_code == 200
    alice.refresh_from_db()  # her sessions ended
    return device


def log_in_with(device: Device, client: Client | None = None, **changed: bytes):
    client = client or Client()
    options = client.post(CHALLENGE).json()
    return client.post(LOGIN, {"passkey": device.use(options, **changed), "next": KEYS})


def test_the_first_passkey_brings_recovery_codes_and_is_asked_for(alice, alice_client):
    answer = add(alice_client, Device(ORIGIN))

    assert len(codes_on(answer)) == 10
    assert not is_logged_in(log_in(alice))
    assert is_logged_in(alice_client)


def test_alice_sees_and_removes_her_passkeys_by_name(alice, phone, alice_client):
    add(alice_client, Device(ORIGIN), "Security key")

    shown = page(alice_client.get("/account/factors/")).text
    for passkey in Passkey.objects.all():
        alice_client.post(f"/account/factors/passkey/{passkey.digest}/remove/")

    assert "Phone" in shown
    assert "Security key" in shown
    assert not RecoveryCode.objects.exists()
    assert is_logged_in(log_in(alice))
    events = AuditEvent.objects.filter(action__startswith="console.factor.").order_by("event_time", "id")
    told = [(event.action.rpartition(".")[2], event.request_data) for event in events]
    assert told == [(action, {"factor": "passkey"}) for action in ("create", "create", "delete", "delete")]


def test_bob_cannot_remove_alices(phone, bob_client):
    bob_client.post(f"/account/factors/passkey/{Passkey.objects.get().digest}/remove/")

    assert Passkey.objects.exists()


def test_a_passkey_is_the_second_step(alice, phone):
    client = half_logged_in(alice)
    options = client.post(CHALLENGE).json()

    answer = client.post(SECOND, {"passkey": phone.use(options), "code": ""})

    assert len(options["allowCredentials"]) == 1
    assert answer.status_code == 302
    assert is_logged_in(client)


def test_a_passkey_alone_logs_in(phone):
    client = Client()

    answer = log_in_with(phone, client)

    assert (answer.status_code, answer["Location"]) == (302, KEYS)
    assert is_logged_in(client)


def test_a_challenge_is_used_once(phone):
    client = Client()
    options = client.post(CHALLENGE).json()
    sent = phone.use(options)

    first, again = (client.post(LOGIN, {"passkey": sent}) for _ in range(2))
    replayed = Client().post(LOGIN, {"passkey": sent})

    assert [answer["Location"] for answer in (first, again, replayed)] == ["/", REFUSED, REFUSED]
    assert "This passkey was not accepted." in page(replayed.client.get(REFUSED)).text


def test_of_two_requests_that_find_one_challenge_at_once_one_comes_in(alice, alice_client):
    uncounted = Device(ORIGIN, counts=False)
    add(alice_client, uncounted)
    client, requests = Client(), [RequestFactory().post(LOGIN) for _ in range(2)]
    sent = uncounted.use(client.post(CHALLENGE).json())
    for request in requests:
        request.session = SessionStore(client.session.session_key)
        assert request.session["passkey"]

    found = [passkeys.use(request, sent) for request in requests]

    assert found == [alice, None]


@pytest.mark.parametrize(
    "device",
    [
        Device(ORIGIN),
        Device("https://testserver"),
        Device("http://elsewhere"),
        Device(ORIGIN, verifies=False),
    ],
    ids=["unknown", "another scheme", "another host", "nobody verified"],
)
def test_other_devices_and_places_are_refused(alice, phone, device):
    if device.origin != ORIGIN or not device.verifies:
        device.key, device.id, device.handle = phone.key, phone.id, phone.handle

    answer = log_in_with(device)

    assert answer["Location"] == REFUSED
    assert Passkey.objects.get().last_used_at is None


@pytest.mark.parametrize("part", ["signature", "userHandle", "authenticatorData", "clientDataJSON"])
def test_what_was_changed_on_the_way_is_refused(phone, part):
    assert log_in_with(phone, **{part: b"x" * 37})["Location"] == REFUSED


@pytest.mark.parametrize(
    "sent",
    ["", "{", "[]", "null", "{}", '{"rawId": 1}', "[" * 10_000, '{"rawId": "AA"}', '{"rawId": "AA", "response": 1}'],
)
def test_what_is_no_answer_of_a_device_is_refused(phone, alice_client, sent):
    client = Client()
    client.post(CHALLENGE)
    alice_client.post(BEGIN)

    assert client.post(LOGIN, {"passkey": sent})["Location"] == REFUSED
    assert alice_client.post(ADD, {"name": "x", "passkey": sent}).status_code == 422


@pytest.mark.parametrize("behind", [b"", b"\x5b" + b"\xff" * 8, b"\x81" * 5000], ids=["short", "huge", "deep"])
def test_bytes_that_no_device_writes_are_refused(phone, behind):
    with_extensions = bytes(32) + b"\x85" + bytes(4)

    assert log_in_with(phone, authenticatorData=with_extensions + behind)["Location"] == REFUSED


def test_a_copy_that_has_signed_less_is_refused(phone):
    log_in_with(phone)
    log_in_with(phone)
    phone.count = 0

    assert log_in_with(phone)["Location"] == REFUSED


def test_a_device_that_counts_nothing_logs_in_again_and_again(alice_client):
    device = Device(ORIGIN, counts=False)
    add(alice_client, device)

    assert [log_in_with(device)["Location"] for _ in range(2)] == [KEYS, KEYS]


def test_a_passkey_of_somebody_who_was_deactivated_does_not_log_in(alice, phone):
    alice.is_active = False
    alice.save()

    assert log_in_with(phone)["Location"] == REFUSED


def test_bobs_passkey_is_no_second_step_of_alices(alice, phone, bob_client):
    bobs = Device(ORIGIN)
    add(bob_client, bobs)
    client = half_logged_in(alice)
    options = client.post(CHALLENGE).json()

    assert client.post(SECOND, {"passkey": bobs.use(options)}).status_code == 422


def test_a_passkey_is_a_proof_when_somebody_is_asked_again(alice_client, phone):
    make_old(alice_client)
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form"))
    question = alice_client.post(CREATE, form | {"name": "terraform"})
    (asked,) = (fields(each) for each in page(question).find_all("form") if "proof_passkey" in fields(each))

    answer = alice_client.post(CREATE, asked | {"proof_passkey": phone.use(alice_client.post(USE).json())})

    assert page(answer).find("h2", id="created-title")


def test_challenges_for_strangers_are_limited(alice, phone, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 5
    answers = [Client().post(CHALLENGE, REMOTE_ADDR="192.0.2.5") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert half_logged_in(alice).post(CHALLENGE, REMOTE_ADDR="192.0.2.5").status_code == 200, "hers is no stranger's"


def test_strangers_at_her_address_do_not_keep_alice_from_her_passkey_on_a_known_device(phone, settings):
    laptop = Client()
    log_in_with(phone, laptop)
    laptop.post("/logout/")
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 2
    assert [Client().post(CHALLENGE).status_code for _ in range(3)] == [200, 200, 429]

    for _ in range(3):
        assert log_in_with(phone, laptop)["Location"] == KEYS, "who comes in is not counted"
        laptop.post("/logout/")

    known = laptop.cookies["device"].value
    assert [laptop.post(CHALLENGE).status_code for _ in range(3)] == [200, 200, 429]
    laptop.cookies["device"] = f"{known[:-2]}xx"
    assert laptop.post(CHALLENGE).status_code == 429, "a forged one counts by the address"


def test_an_office_may_log_in_with_as_many_passkeys_as_it_likes(phone, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2

    assert [log_in_with(phone)["Location"] for _ in range(4)] == [KEYS] * 4


def test_challenges_are_limited_in_wide_networks_too(db, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 1

    answers = [Client().post(CHALLENGE, REMOTE_ADDR=f"2001:db8:0:{net:x}::1").status_code for net in range(5)]

    assert answers == [200] * 4 + [429]


def request_at(host: str, secure: bool = False) -> HttpRequest:
    request = RequestFactory().get("/", HTTP_HOST=host, secure=secure)
    request.session = SessionStore()
    return request


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("keys.example", "keys.example"),
        ("keys.example:8000", "keys.example"),
        ("192.0.2.7", ""),
        ("192.0.2.7:8000", ""),
        ("[2001:db8::7]", ""),
        ("[2001:db8::7]:8000", ""),
    ],
)
def test_a_passkey_is_bound_to_the_name_of_the_host(settings, host, name):
    settings.ALLOWED_HOSTS = ["*"]

    assert passkeys.host_of(request_at(host)) == name


def test_the_browser_is_told_whose_the_passkey_is_to_be_and_which_there_are(alice, bob, phone, settings):
    settings.ALLOWED_HOSTS = ["*"]
    request = request_at("keys.example:8000")
    Passkey.objects.create(user=bob, digest="0" * 64, credential=Passkey.objects.get().credential)

    options = passkeys.options_to_add(request, alice, "Acme keys")
    [known] = options["excludeCredentials"]

    assert (options["rp"]["id"], options["rp"]["name"]) == ("keys.example", "Acme keys")
    user = options["user"]
    assert (websafe_decode(user["id"]), user["name"], user["displayName"]) == (
        alice.iam_id.encode(), "alice", "Alice Liddell",
    )  # fmt: skip
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    to_use = passkeys.options_to_use(request_at("keys.example"), alice)
    assert [one["id"] for one in to_use["allowCredentials"]] == [known["id"]]
    assert (to_use["userVerification"], to_use["rpId"]) == ("required", "keys.example")
    assert not passkeys.options_to_use(request_at("keys.example")).get("allowCredentials")


@pytest.mark.parametrize(
    ("passes", "what", "is_there"),
    [
        (timedelta(0), passkeys.USE, True),
        (timedelta(0), passkeys.ADD, False),
        (timedelta(seconds=300) - timedelta(milliseconds=1), passkeys.USE, True),
        (timedelta(seconds=300), passkeys.USE, False),
        (-timedelta(milliseconds=1), passkeys.USE, False),
    ],
)
def test_a_challenge_waits_for_five_minutes_to_the_moment_and_for_one_thing(at, db, passes, what, is_there):
    request, state = request_at("keys.example"), {"challenge": "a challenge"}
    passkeys._keep(request, what, state)

    at(NOON + passes)

    assert passkeys._take(request, passkeys.USE) == (state if is_there else None)
    assert passkeys.SESSION_KEY not in request.session
    assert passkeys._take(request, passkeys.USE) is None


def test_what_a_browser_sent_is_read_up_to_a_length():
    longest = "{" + " " * (passkeys.MAX_LENGTH - 2) + "}"

    assert passkeys.MAX_LENGTH == 16_384
    assert passkeys._read(longest) == {}
    for other in (longest + " ", "[]", "7", "", "{", "[" * 10_000):
        assert passkeys._read(other) is None


def test_somebody_has_twenty_passkeys_at_most(alice, phone, alice_client):
    more = [Passkey(user=alice, digest=f"{n:064}", credential=Passkey.objects.get().credential) for n in range(18)]
    Passkey.objects.bulk_create(more)

    answers = [add(alice_client, Device(ORIGIN)).status_code for _ in range(2)]

    assert answers == [302, 422]
    assert Passkey.objects.filter(user=alice).count() == 20


def test_the_passkey_that_was_used_last_comes_first_and_new_ones_before_old_ones(at, alice, bob):
    for name, used, created in (("b", 1, 0), ("a", 2, 0), ("d", None, 1), ("c", None, 2)):
        used_at = NOON + timedelta(hours=used) if used else None
        created_at = NOON + timedelta(hours=created)
        more = {"name": name, "credential": b"x", "last_used_at": used_at, "created_at": created_at}
        Passkey.objects.create(user=alice, digest=name * 64, **more)
    Passkey.objects.create(user=bob, digest="0" * 64, name="bob's", credential=b"x")

    assert [passkey.name for passkey in passkeys.of(alice)] == ["a", "b", "c", "d"]


def test_a_use_is_noted_with_its_count_and_its_time_and_not_of_others(at, bob, phone):
    before = Passkey.objects.get().sign_count
    Passkey.objects.create(user=bob, digest="0" * 64, name="bob's", credential=b"x")

    assert is_logged_in(log_in_with(phone).client)

    used, bobs = Passkey.objects.get(name="Phone"), Passkey.objects.get(user=bob)
    assert (used.sign_count > before, used.last_used_at) == (True, NOON)
    assert (bobs.sign_count, bobs.last_used_at) == (0, None)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000"])
def test_under_an_address_there_are_no_passkeys(alice_client, settings, host):
    settings.ALLOWED_HOSTS = ["*"]

    assert alice_client.post(BEGIN, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    ("public_url", "says"),
    [
        ("https://keys.example", "Open the console at https://keys.example and log in there."),
        ("http://192.0.2.7:8000", "They need https and a name: ask an administrator for such an address"),
    ],
)
def test_under_an_address_the_pages_say_why_and_lead_to_the_name(
    alice, alice_client, phone, settings, public_url, says
):
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["*"], public_url
    address = {"Host": "127.0.0.1:8000"}
    make_old(alice_client)
    form = fields(page(alice_client.get(CREATE)).find("form", id="create-form"))
    answers = {
        "/account/factors/": alice_client.get("/account/factors/", headers=address),
        "/": alice_client.post(CREATE, form | {"name": "terraform"}, headers=address),
        "/login/": half_logged_in(alice).get(SECOND, headers=address),
    }

    for path, answer in answers.items():
        shown = page(answer)
        assert "browsers bind them to a name, and it was opened under the IP address 127.0.0.1. " in shown.text
        assert says in shown.text
        assert not shown.find_all("button", data_passkey="get")
        assert bool(shown.find_all("a", href=f"{public_url}{path}")) == ("example" in public_url)


@pytest.mark.parametrize(
    ("public_url", "host", "leads"),
    [
        ("http://localhost:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "[::1]:8000", True),
        ("http://localhost:8000", "192.0.2.5:8000", False),
        ("https://localhost", "192.0.2.5", False),
        ("http://keys.example", "192.0.2.5", False),
        ("https://keys.example", "192.0.2.5", True),
        ("https://192.0.2.5", "192.0.2.5", False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("", "192.0.2.5", False),
    ],
)
def test_nobody_is_led_to_their_own_machine_nor_to_where_passkeys_do_not_work(settings, public_url, host, leads):
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["*"], public_url

    offered = passkeys.offer(request_at(host), "/login/")

    assert offered["named_url"] == (f"{public_url}/login/" if leads else "")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "testserver"])
def test_a_passkey_is_only_offered_to_be_added_where_it_works(alice_client, settings, host):
    settings.ALLOWED_HOSTS = ["*"]

    shown = page(alice_client.get(ADD, headers={"Host": host}))

    assert bool(shown.find_all("button", data_passkey="create")) == (host == "testserver")
    assert ("browsers bind them to a name" in shown.text) == (host != "testserver")


def test_the_browser_may_use_passkeys_on_these_pages_only(client, db):
    policy = client.get("/login/")["Permissions-Policy"]

    assert "publickey-credentials-get=(self)" in policy
    assert "publickey-credentials-create=(self)" in policy
