"""Single sign-on: who comes in, who does not and what they are told, and what is checked of what the provider sends."""

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from joserfc.jwk import OctKey

from apikeys.audit import counted
from apikeys.models import AuditEvent
from console.models import Session, User
from console.single_sign_on import provider, refusals, trips
from console.single_sign_on.models import ProviderIdentity
from tests.addresses import CREATE, KEYS
from tests.cast import PASSWORD
from tests.fake_provider import CLIENT, KEY, OTHER_KEY, SECRET, FakeProvider
from tests.log_ins import is_logged_in
from tests.markup import page
from tests.second_factors import give_app, make_old
from tests.test_passcodes import CLIENT as COMMAND_LINE
from tests.test_passcodes import exchange

START, BACK, LOGIN = "/login/sso/", "/login/sso/callback/", "/login/"
PROVE, PROVED, CONNECT, DISCONNECT = (f"/account/sso/{part}/" for part in ("prove", "proved", "connect", "disconnect"))
FACTORS, REMOVE_APP = "/account/factors/", "/account/factors/app/remove/"
SSO = "console.single_sign_on.backends.SignOnBackend"


@pytest.fixture
def idp(settings, db) -> Iterator[FakeProvider]:
    """A provider called Staff, which knows somebody as subject-1."""
    provider.forget()
    with FakeProvider() as running:
        settings.OIDC_ISSUER = running.url
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
        settings.OIDC_NAME, settings.OIDC_CREATE_USERS = "Staff", True
        settings.PUBLIC_URL = "http://testserver"
        settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, SSO]
        yield running
    provider.forget()


def asked_of(location: str) -> dict[str, str]:
    return {name: texts[0] for name, texts in parse_qs(urlsplit(location).query).items()}


def sent_to(client: Client, url: str = START) -> str:
    """Return where a browser is sent, which must be the provider."""
    location = client.get(url)["Location"]
    assert "/authorization?" in location, location
    return location


def come_back(idp: FakeProvider, client: Client, url: str = START, **claims: object):
    location = sent_to(client, url)
    code = idp.grant(location, **claims)
    return client.get(BACK, {"state": asked_of(location)["state"], "code": code})


def told_by(client: Client, answer) -> str:
    """Return the sentence on the page that a refusal leads to."""
    assert answer.status_code == 302
    shown = page(client.get(answer["Location"]))
    return shown.find(id="refusal").text.strip()


def connected(idp: FakeProvider, person, subject: str = "subject-1"):
    return ProviderIdentity.objects.create(issuer=idp.url, subject=subject, user=person)


# Who comes in


def test_somebody_new_is_made_a_user_without_a_password_and_comes_back_to_where_they_were_going(idp):
    client = Client()

    answer = come_back(
        idp, client, f"{START}?next={KEYS}", given_name="Carol", email="c@example.com", email_verified=True
    )

    carol = User.objects.get(username="carol")
    assert (answer.status_code, answer["Location"]) == (302, KEYS)
    assert is_logged_in(client)
    assert (carol.first_name, carol.email, carol.has_usable_password()) == ("Carol", "c@example.com", False)
    assert not carol.is_superuser


def test_the_request_has_pkce_and_secrets_that_differ_each_time(idp):
    asked, again = (asked_of(sent_to(Client())) for _ in range(2))

    assert (asked["response_type"], asked["scope"]) == ("code", "openid profile email")
    assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT, f"http://testserver{BACK}")
    assert asked["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) == 43
        assert asked[name] != again[name]


def test_they_are_the_same_user_next_time_whatever_the_provider_calls_them_then(idp):
    come_back(idp, Client())

    come_back(idp, Client(), preferred_username="alice", email="alice@example.com")

    assert User.objects.get().username == "carol"
    assert ProviderIdentity.objects.count() == 1


@pytest.mark.parametrize("claims", [{"preferred_username": "alice"}, {"preferred_username": "Alice"}])
def test_nobody_takes_over_a_user_who_is_there(idp, alice, claims):
    client = Client()

    answer = come_back(idp, client, email=alice.email, email_verified=True, **claims)

    assert "can't be yours here" in told_by(client, answer)
    assert not is_logged_in(client)
    assert not ProviderIdentity.objects.exists()


def test_an_address_that_the_provider_has_not_verified_is_not_taken(idp):
    come_back(idp, Client(), email="dora@example.com")

    assert User.objects.get().email == ""


def test_strangers_stay_out_unless_the_setting_makes_users_of_them(idp, settings):
    settings.OIDC_CREATE_USERS = False
    client = Client()

    answer = come_back(idp, client)

    assert told_by(client, answer) == ("Staff knows you, but you are no user of this console. Ask an administrator.")
    assert not User.objects.exists()


def test_who_is_deactivated_stays_out(idp, alice):
    connected(idp, alice)
    User.objects.update(is_active=False)
    client = Client()

    assert "deactivated" in told_by(client, come_back(idp, client))
    assert not is_logged_in(client)


def test_who_is_deactivated_meanwhile_is_out_at_the_next_request(idp, alice):
    connected(idp, alice)
    client = Client()
    come_back(idp, client)

    User.objects.update(is_active=False)

    assert not is_logged_in(client)


def test_the_log_in_has_a_session_of_its_own_an_event_and_a_known_device(idp, alice):
    connected(idp, alice)
    client = Client()
    sent_to(client)
    before = client.cookies["session"].value

    come_back(idp, client)

    assert client.cookies["session"].value != before
    assert "device" in client.cookies
    assert Session.objects.get(user_id=alice.pk)
    event = AuditEvent.objects.get(action="console.login.start")
    assert (event.outcome, event.target_name) == ("success", "alice")
    assert event.request_data["by"] == "single sign-on"


def test_sessions_end_where_single_sign_on_is_turned_off(idp, alice, settings):
    connected(idp, alice)
    client = Client()
    come_back(idp, client)

    settings.AUTHENTICATION_BACKENDS = [name for name in settings.AUTHENTICATION_BACKENDS if name != SSO]

    assert not is_logged_in(client)


# Administrators


def test_a_group_makes_an_administrator_and_unmakes_one_at_each_log_in(idp, dora, settings):
    settings.OIDC_ADMINISTRATORS = "keys-admins"
    found = []

    for groups in (["staff", "keys-admins"], ["staff"], "keys-admins", None):
        come_back(idp, Client(), groups=groups)
        found.append(User.objects.get(username="carol").is_superuser)

    assert found == [True, False, True, False]
    assert AuditEvent.objects.filter(action="console.user.update", initiator_name="single sign-on Staff").count() == 4


def test_the_last_administrator_stays_one(idp, dora, settings):
    settings.OIDC_ADMINISTRATORS = "keys-admins"
    connected(idp, dora)
    client = Client()

    come_back(idp, client, groups=[])

    dora.refresh_from_db()
    assert dora.is_superuser
    assert is_logged_in(client)


def test_without_the_setting_groups_mean_nothing(idp, dora):
    come_back(idp, Client(), groups=["administrators"])

    assert not User.objects.get(username="carol").is_superuser


def test_groups_and_user_id_may_come_from_userinfo_of_the_same_subject(idp, dora, settings):
    settings.OIDC_ADMINISTRATORS = "keys-admins"
    client = Client()
    idp.userinfo = {"sub": "subject-2", "groups": ["keys-admins"], "preferred_username": "carol"}

    foreign = come_back(idp, client, preferred_username=None)
    idp.userinfo["sub"] = "subject-1"
    own = come_back(idp, Client(), preferred_username=None)

    assert foreign["Location"].startswith(f"{LOGIN}?refused=taken")
    assert own["Location"] == "/"
    assert User.objects.get(username="carol").is_superuser


def test_names_and_address_of_a_new_user_may_come_from_there_too(idp):
    idp.userinfo = {
        "sub": "subject-1",
        "preferred_username": "somebody else",
        "given_name": "Carol",
        "family_name": "Ng",
        "email": "carol@example.com",
        "email_verified": True,
    }

    come_back(idp, Client(), given_name=None, family_name=None, email=None)

    carol = User.objects.get(username="carol")
    assert (carol.first_name, carol.last_name, carol.email) == ("Carol", "Ng", "carol@example.com")


# What is refused


@pytest.mark.parametrize(("site", "leads_to"), [("cross-site", LOGIN), ("same-site", LOGIN), ("same-origin", "http")])
def test_a_page_of_somebody_else_begins_no_log_in(idp, client, site, leads_to):
    answer = client.get(f"{START}?next={KEYS}", headers={"Sec-Fetch-Site": site})

    assert answer["Location"].startswith(leads_to)


def test_nor_a_trip_of_somebody_who_is_logged_in(idp, alice_client):
    answers = [alice_client.get(url, headers={"Sec-Fetch-Site": "cross-site"}) for url in (PROVE, CONNECT)]

    assert [answer["Location"] for answer in answers] == [FACTORS] * 2


def test_a_browser_under_another_name_is_led_to_the_one_that_the_provider_knows(idp, settings):
    settings.PUBLIC_URL = "http://console.test"

    moved = Client().get(f"{START}?next={KEYS}")["Location"]

    assert moved == f"http://console.test{START}?next=%2Fmanage%2Fsecurity%2Fapikeys%2F&moved=1"
    assert "/authorization?" in Client().get(moved.removeprefix("http://console.test"))["Location"]


def test_a_forged_or_foreign_state_or_none_is_refused_and_asks_the_provider_nothing(idp):
    client = Client()
    location = sent_to(Client())
    state, code = asked_of(location)["state"], idp.grant(location)
    idp.asked.clear()

    answers = [client.get(BACK, {"state": text, "code": code}) for text in (state, "forged", "")]

    assert "begun in another browser" in told_by(client, answers[0])
    assert {answer["Location"] for answer in answers} == {f"{LOGIN}?refused=unknown"}
    assert idp.asked == []
    assert "session" not in client.cookies


def test_a_callback_works_once(idp):
    client = Client()
    location = sent_to(client)
    sent = {"state": asked_of(location)["state"], "code": idp.grant(location)}

    first, again = client.get(BACK, sent), Client().get(BACK, sent)
    client.post("/logout/")
    replayed = client.get(BACK, sent)

    assert first["Location"] == "/"
    assert [answer["Location"] for answer in (again, replayed)] == [f"{LOGIN}?refused=unknown"] * 2
    assert idp.asked.count("/token") == 1


def test_a_trip_takes_ten_minutes_at_most(idp, monkeypatch):
    client = Client()
    location = sent_to(client)
    sent = {"state": asked_of(location)["state"], "code": idp.grant(location)}

    monkeypatch.setattr(trips, "LIFETIME_SECONDS", 0)

    assert client.get(BACK, sent)["Location"] == f"{LOGIN}?refused=unknown"


def test_a_code_of_another_trip_is_refused_by_its_verifier(idp):
    client = Client()
    mine, foreign = sent_to(client), sent_to(Client())

    answer = client.get(BACK, {"state": asked_of(mine)["state"], "code": idp.grant(foreign)})

    assert answer["Location"].startswith(f"{LOGIN}?refused=answer")


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://elsewhere.example.com"},
        {"iss": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"aud": None},
        {"azp": "another"},
        {"exp": NOW - 600},
        {"exp": None},
        {"exp": float("nan")},
        {"iat": NOW + 3600},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": "x" * 256},
        {"sub": "\u200b"},
        {"at_hash": "another"},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_an_id_token_with_a_wrong_claim_is_refused(idp, claims):
    client = Client()

    answer = come_back(idp, client, **claims)

    assert told_by(client, answer).startswith("What Staff sent is not valid")
    assert not is_logged_in(client)
    assert not User.objects.exists()


def test_a_clock_may_be_a_minute_off_and_the_audience_be_several_with_the_console_as_party(idp):
    answer = come_back(idp, Client(), iat=NOW + 30, exp=int(time.time()) - 30, aud=[CLIENT, "more"], azp=CLIENT)

    assert answer["Location"] == "/"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_a_signature_or_with_one_that_anybody_can_make_is_refused(idp, algorithm, recwarn):
    secret = OctKey.generate_key(256, {"kid": "one"})
    idp.header, idp.signed_with = {"alg": algorithm, "kid": "one"}, secret
    idp.keys = [secret, KEY]  # even where the provider publishes it

    answer = come_back(idp, Client())

    assert answer["Location"].startswith(f"{LOGIN}?refused=answer")


def test_a_key_of_another_is_refused_though_it_has_the_name_of_a_known_one(idp):
    idp.signed_with = OTHER_KEY

    assert come_back(idp, Client())["Location"].startswith(f"{LOGIN}?refused=answer")


def test_a_new_key_is_looked_up_once_and_forged_names_do_not_make_it_ask_on(idp, monkeypatch):
    come_back(idp, Client())
    monkeypatch.setattr(provider._memory, "keys_at", time.monotonic() - 2 * provider.KEYS_AGAIN_SECONDS)
    idp.keys, idp.signed_with, idp.header = [KEY, OTHER_KEY], OTHER_KEY, {"alg": "RS256", "kid": "two"}

    rotated = come_back(idp, Client())
    idp.header = {"alg": "RS256", "kid": "forged"}
    forged = [come_back(idp, Client()) for _ in range(3)]

    assert rotated["Location"] == "/"
    assert all(answer["Location"].startswith(f"{LOGIN}?refused=answer") for answer in forged)
    assert idp.asked.count("/keys") == 2


@pytest.mark.parametrize(
    "answer", [{"id_token": None}, {"id_token": "a.b.c"}, {"id_token": "[" * 9999}, {"access_token": 1}]
)
def test_an_answer_that_is_no_answer_is_refused(idp, answer):
    idp.answer = answer

    assert come_back(idp, Client())["Location"].startswith(f"{LOGIN}?refused=answer")


@pytest.mark.parametrize(
    ("names_itself", "issuer", "comes_in"),
    [
        (True, "own", True),
        (True, None, False),
        (True, "https://evil.example.com", False),
        (False, "https://evil.example.com", False),
    ],
)
def test_a_browser_that_comes_back_from_another_provider_is_refused(idp, names_itself, issuer, comes_in):
    idp.metadata = {"authorization_response_iss_parameter_supported": names_itself}
    client = Client()
    location = sent_to(client)
    sent = {"state": asked_of(location)["state"], "code": idp.grant(location)}
    idp.asked.clear()

    answer = client.get(BACK, sent | ({"iss": idp.url if issuer == "own" else issuer} if issuer else {}))

    assert (answer["Location"] == "/") is comes_in
    assert ("/token" in idp.asked) is comes_in


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example.com"},
        {"token_endpoint": "http://elsewhere.example.com/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
def test_a_provider_that_calls_itself_otherwise_or_has_unsafe_addresses_is_not_used(idp, metadata, caplog):
    idp.metadata = metadata
    client = Client()

    assert told_by(client, client.get(START)).startswith("What Staff sent is not valid")
    assert "Single sign-on was refused: the provider" in caplog.text


def test_an_error_of_the_provider_is_a_sentence_without_its_words(idp):
    client = Client()
    state = asked_of(sent_to(client, f"{START}?next={KEYS}"))["state"]

    answer = client.get(BACK, {"state": state, "error": "access_denied", "error_description": "Call 555"})

    assert told_by(client, answer) == "Staff did not log you in. Try again, or ask who runs Staff."
    assert "555" not in client.get(answer["Location"]).text
    assert page(client.get(answer["Location"])).find_all(name="next")[0]["value"] == KEYS


def test_a_provider_that_is_away_is_a_sentence_and_is_left_alone_for_a_while(idp):
    idp.is_broken = True
    client = Client()

    answers = [client.get(START) for _ in range(3)]

    assert told_by(client, answers[0]) == "Staff does not answer. Try again in a minute."
    assert {answer["Location"] for answer in answers} == {f"{LOGIN}?refused=unavailable&next=%2F"}
    assert len(idp.asked) == 1
    assert not Session.objects.exists()


def test_a_slow_provider_holds_nobody_for_long(idp, monkeypatch):
    monkeypatch.setattr(provider, "CALL_SECONDS", 0.1)
    idp.seconds = 0.3
    began = time.monotonic()

    answer = Client().get(START)

    assert time.monotonic() - began < 0.25
    assert answer["Location"].startswith(f"{LOGIN}?refused=unavailable")


def test_more_than_may_wait_are_told_so(idp, settings):
    for _ in range(settings.OIDC_SLOTS):
        assert provider._slots.acquire(blocking=False)
    client = Client()

    try:
        assert told_by(client, client.get(START)).startswith("Too many people are logging in")
    finally:
        provider._slots.release(settings.OIDC_SLOTS)


def test_an_answer_of_the_provider_without_end_is_not_read_to_its_end(idp):
    idp.metadata = {"padding": "x" * provider.MAX_BYTES}

    assert Client().get(START)["Location"].startswith(f"{LOGIN}?refused=unavailable")


def test_an_address_begins_only_so_many_and_those_who_come_in_do_not_count(idp, alice, settings):
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = 2
    connected(idp, alice)
    for _ in range(3):
        assert come_back(idp, Client())["Location"] == "/"
    sent_to(Client())
    sent_to(Client())
    client = Client()

    assert "Too many log-ins were begun" in told_by(client, client.get(START))


def test_strangers_at_her_address_do_not_keep_alice_from_the_provider_on_a_known_device(idp, alice, settings):
    connected(idp, alice)
    laptop = Client()
    come_back(idp, laptop)
    settings.LOGIN_ATTEMPTS_PER_ADDRESS = settings.LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = 1
    sent_to(Client())

    for _ in range(2):
        laptop.post("/logout/")
        assert come_back(idp, laptop)["Location"] == "/", "who comes in is not counted"

    laptop.post("/logout/")
    sent_to(laptop)
    assert "Too many log-ins were begun" in told_by(laptop, laptop.get(START))


def test_each_refusal_has_an_event(idp):
    counted._notes.cache_clear()
    Client().get(BACK, {"state": "forged"})
    come_back(idp, Client(), nonce="another")

    counted.write()

    reasons = AuditEvent.objects.filter(action="console.login.start", outcome="failure").values_list(
        "reason", flat=True
    )
    assert sorted(reasons) == ["AnswerRefused", "TripUnknown"]


def test_each_refusal_has_a_sentence_that_the_log_in_page_shows(idp):
    for word in refusals.BY_WORD:
        assert page(Client().get(LOGIN, {"refused": word})).find(id="refusal").text.strip().endswith(".")
    assert page(Client().get(LOGIN, {"refused": "<b>"})).find_all(id="refusal") == []


def test_nothing_of_a_trip_stands_in_clear_in_the_session_or_the_log(idp, caplog):
    caplog.set_level("DEBUG")
    client = Client()
    location = sent_to(client)
    asked = asked_of(location)
    kept = client.session[trips.SESSION_KEY]
    code = idp.grant(location, nonce="another")

    client.get(BACK, {"state": asked["state"], "code": code})

    for text in (asked["state"], asked["nonce"], code):
        assert text not in kept
        assert text not in caplog.text
    assert "nonce" in caplog.text
    assert SECRET not in caplog.text


# Off


def test_without_a_provider_there_is_nothing_of_it(client, alice_client):
    for url in (START, BACK):
        assert client.get(url).status_code == 404
    for url in (PROVE, PROVED, CONNECT):
        assert alice_client.get(url).status_code == 404
    assert alice_client.post(DISCONNECT).status_code == 404
    assert "sso" not in client.get(LOGIN).text
    assert "Single sign-on" not in alice_client.get(FACTORS).text


# Passwords beside it


def test_the_log_in_page_offers_both(idp, client):
    shown = page(client.get(f"{LOGIN}?next={KEYS}"))

    assert "Log in with Staff" in shown.text
    assert shown.find(name="password")
    assert f'href="{START}?next=%2Fmanage%2F' in client.get(f"{LOGIN}?next={KEYS}").text


def test_with_the_setting_nobody_logs_in_with_a_password_or_a_passkey(idp, client, alice, settings):
    settings.OIDC_ONLY = True

    shown = page(client.get(LOGIN))
    posted = client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    granted = client.post(
        "/identity/token",
        {"grant_type": "password", "username": "alice", "password": PASSWORD},
        HTTP_AUTHORIZATION="Basic Yng6Yng=",
    )

    assert shown.find_all(name="password") == []
    assert posted.status_code == 422
    assert "Log in with Staff" in page(posted).find(id="refusal").text
    assert granted.status_code == 401
    assert not is_logged_in(client)


def test_a_password_that_gets_no_token_brings_the_hint_at_passcodes_for_everybody(idp, alice):
    come_back(idp, Client())

    answers = [
        Client()
        .post(
            "/identity/token",
            {"grant_type": "password", "username": name, "password": "wrong"},
            HTTP_AUTHORIZATION="Basic Yng6Yng=",
        )
        .json()
        for name in ("carol", "alice", "nobody")
    ]

    assert len({answer["errorMessage"] for answer in answers}) == 1
    assert "one-time passcode" in answers[0]["errorMessage"]


# Second factors


def test_a_factor_here_is_asked_for_unless_the_provider_has_asked_for_two(idp, alice, settings):
    counted._notes.cache_clear()  # of tests before
    connected(idp, alice)
    give_app(alice)
    settings.OIDC_TWO_FACTOR_ACR = ["phr"]

    answers = [
        come_back(idp, Client(), **claims)["Location"]
        for claims in ({}, {"amr": ["pwd"]}, {"amr": ["pwd", "mfa"]}, {"acr": "phr"})
    ]

    assert answers == ["/login/second/", "/login/second/", "/", "/"]
    counted.write_at_end()
    steps = AuditEvent.objects.filter(action="console.login.first-step", initiator_id=alice.iam_id)
    assert sorted(step.request_data.get("times", 1) for step in steps) == [1, 1]
    assert {step.request_data["by"] for step in steps} == {"single sign-on"}


def test_who_must_have_a_second_factor_may_have_it_at_the_provider(idp, alice, settings):
    settings.SECOND_FACTOR = "everybody"
    connected(idp, alice)
    one, two = Client(), Client()

    come_back(idp, one, amr=["pwd"])
    come_back(idp, two, amr=["pwd", "mfa"])

    assert one.get(KEYS)["Location"] == FACTORS
    assert two.get(KEYS).status_code == 200


def test_a_command_line_whose_user_has_two_factors_there_stays_logged_in(idp, settings):
    settings.SECOND_FACTOR = "everybody"
    client = Client()
    come_back(idp, client, amr=["pwd", "mfa"])
    passcode = page(client.post("/account/passcode/")).find(id="passcode").text

    tokens = exchange(passcode).json()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = Client().post("/identity/token", form, **COMMAND_LINE)

    assert renewed.status_code == 200


def test_who_has_no_password_is_told_so_where_others_change_theirs(idp):
    client = Client()
    come_back(idp, client)

    told = page(client.get("/password/")).find(id="refusal").text

    assert told == "You have no password here: you log in with Staff."


# Asked again


def test_who_has_only_the_provider_proves_there_and_what_was_typed_goes_on(idp, dora):
    client = Client()
    come_back(idp, client)
    make_old(client)
    typed = {"name": "terraform", "nonce": page(client.get(CREATE)).find(name="nonce")["value"]}

    question = client.post(CREATE, typed)
    asked = asked_of(sent_to(client, PROVE))
    proof = come_back(idp, client, PROVE)
    done = client.post(CREATE, typed)

    assert "Log in again at Staff" in question.text
    assert page(question).find_all(name="proof_password") == []
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    assert proof["Location"] == PROVED
    assert "Close this window" in client.get(PROVED).text
    assert "Is it still you?" not in done.text
    assert AuditEvent.objects.filter(action="console.login.proof", outcome="success").exists()


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"auth_time": NOW - 900}, "old"),
        ({"auth_time": None}, "old"),
        ({"auth_time": "now"}, "answer"),
        ({"sub": "subject-2"}, "other"),
    ],
)
def test_an_old_log_in_there_or_one_of_somebody_else_proves_nothing(idp, dora, claims, word):
    client = Client()
    come_back(idp, client)
    make_old(client)

    answer = come_back(idp, client, PROVE, **claims)

    assert answer["Location"] == f"{PROVED}?refused={word}"
    assert told_by(client, answer)
    assert "Is it still you?" in client.post(CREATE, {"name": "terraform"}).text


def test_a_log_in_that_the_provider_remembered_counts_from_when_it_asked(idp, dora):
    client = Client()

    come_back(idp, client, auth_time=int(timezone.now().timestamp()) - 16 * 60)

    assert "Is it still you?" in client.post(CREATE, {"name": "terraform"}).text


def test_one_factor_there_gives_no_way_in_to_who_has_another_here(idp, alice):
    connected(idp, alice)
    app = give_app(alice)
    client = Client()
    come_back(idp, client)
    client.post("/login/second/", {"code": app.now()})
    make_old(client)

    come_back(idp, client, PROVE)

    assert "Is it still you?" in client.post(REMOVE_APP).text, "one"
    assert "Log in again at Staff" not in client.post(REMOVE_APP).text
    assert "Is it still you?" not in client.post(CREATE, {"name": "terraform"}).text, "as a password does"
    come_back(idp, client, PROVE, amr=["pwd", "otp", "mfa"])
    assert client.post(REMOVE_APP).status_code == 302, "two"


def test_who_logged_in_with_two_factors_there_can_prove_them_there(idp, alice):
    connected(idp, alice)
    give_app(alice)
    client = Client()
    come_back(idp, client, amr=["mfa"])
    make_old(client)

    assert "Log in again at Staff" in client.post(REMOVE_APP).text


def test_a_log_in_that_is_older_than_was_asked_for_is_refused(idp, dora, settings):
    client = Client()

    answer = come_back(idp, client, auth_time=int(timezone.now().timestamp()) - settings.SESSION_COOKIE_AGE - 400)

    assert "refused=answer" in answer["Location"]
    assert not is_logged_in(client)


# Connecting


def test_alice_connects_her_user_and_logs_in_without_her_password(idp, alice, alice_client):
    answer = come_back(idp, alice_client, CONNECT)
    client = Client()
    come_back(idp, client)

    assert answer["Location"] == FACTORS
    assert "You can log in with Staff since" in page(alice_client.get(FACTORS)).text
    assert is_logged_in(client)
    assert User.objects.count() == 1
    assert AuditEvent.objects.filter(action="console.factor.create", target_name="alice").exists()


def test_connecting_asks_who_she_is_first(idp, alice, alice_client):
    make_old(alice_client)

    assert alice_client.get(CONNECT)["Location"].startswith("/account/prove/")


def test_nobody_is_connected_with_somebody_elses(idp, alice, bob, bob_client):
    connected(idp, alice)

    come_back(idp, bob_client, CONNECT)

    assert "You came back from Staff as somebody else" in bob_client.get(FACTORS).text
    assert ProviderIdentity.objects.get().user == alice


def test_a_trip_of_alice_does_not_connect_bob_who_logged_in_meanwhile(idp, alice, bob, alice_client):
    location = sent_to(alice_client, CONNECT)
    state, code = asked_of(location)["state"], idp.grant(location)
    kept = alice_client.session[trips.SESSION_KEY]
    alice_client.force_login(bob)
    session = alice_client.session
    session[trips.SESSION_KEY] = kept
    session.save()

    alice_client.get(BACK, {"state": state, "code": code})

    assert not ProviderIdentity.objects.exists()


def test_alice_disconnects_and_her_other_sessions_end(idp, alice, alice_client):
    connected(idp, alice)
    other = Client()
    come_back(idp, other)

    alice_client.post(DISCONNECT)

    assert not ProviderIdentity.objects.exists()
    assert is_logged_in(alice_client)
    assert not is_logged_in(other)


def test_who_has_no_password_can_not_lock_themselves_out(idp):
    client = Client()
    come_back(idp, client)

    answer = client.post(DISCONNECT)

    assert answer.status_code == 409
    assert ProviderIdentity.objects.exists()
    assert "Disconnect" not in client.get(FACTORS).text


# By an operator


def test_an_operator_connects_and_disconnects_a_user(idp, alice, capsys):
    call_command("connect_user", "alice", "subject-1")
    inside, outside = Client(), Client()
    come_back(idp, inside)
    was_inside = is_logged_in(inside)

    call_command("disconnect_user", "alice")
    come_back(idp, outside)

    assert was_inside
    assert not is_logged_in(inside)
    assert "logs in as subject-1 of Staff" in capsys.readouterr().out
    assert User.objects.filter(username="carol").exists()


def test_a_subject_is_no_second_users(idp, alice, bob):
    connected(idp, alice)

    with pytest.raises(CommandError, match="connected already"):
        call_command("connect_user", bob.username, "subject-1")


def test_without_a_provider_the_command_says_so(alice):
    with pytest.raises(CommandError, match="OIDC_ISSUER is not set"):
        call_command("connect_user", "alice", "subject-1")


def test_the_other_pages_with_a_form_for_strangers_have_theirs(idp, client, alice, settings):
    settings.OIDC_ONLY = True
    give_app(alice)
    connected(idp, alice)
    come_back(idp, client)

    assert page(client.get("/login/second/")).find(name="code")
    assert page(Client().get("/password/choose/")).find(name="code")
