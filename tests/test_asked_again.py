"""Asked again: a change that matters needs a fresh proof, and nothing that was typed is lost over it."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from apikeys import audit
from apikeys.audit import counted
from apikeys.models import ApiKeyRecord, AuditEvent
from console import sessions
from console.factors import asked_again, proofs, recovery
from console.factors.asked_again import GUARDED, OPENED
from console.factors.models import Authenticator
from console.sessions import stored_key
from console.single_sign_on.models import ProviderIdentity
from tests.addresses import ACTIVITY, CREATE, KEYS, RULES, UNKNOWN_ID, UNKNOWN_SERVICE_ID, USERS, delete_address
from tests.cast import PASSWORD
from tests.conftest import NOON, log_in
from tests.markup import fields, page
from tests.second_factors import APP, code_of, give_app, make_old

QUESTION = "Is it still you?"
# What changes something and asks for no proof, with the reason.
NOT_GUARDED = {
    "set_language": "nobody's but the browser's",
    "set_theme": "the same",
    "login": "is a proof",
    "second_step": "is a proof",
    "prove": "is a proof",
    "passkey_log_in": "is a proof",
    "passkey_options": "a challenge",
    "passkey_options_to_add": "a challenge",
    "passkey_options_to_log_in": "a challenge",
    "choose_password": "has the proof in the link",
    "logout": "takes away",
    "time_zone": "how times are written",
    "password": "asks for the password itself",
    "people": "a search that is posted",
    "activity": "a search that is posted",
    "api_key_list": "a search that is posted",
    "service_id_list": "a search that is posted",
    "api_key_refusals": "looks a request up",
    "api_key_edit": "gives no access to anybody new",
    "api_key_receipt": "wipes a value",
    "api_key_download": "of a value that is on the page already",
    "api_key_more_time": "the same",
    "api_key_dismiss": "a note about a creation",
    "api_key_lock": "takes away",
    "api_key_disable": "takes away",
    "api_key_pause": "takes away, for minutes",
    "api_key_resume": "undoes that",
    "api_key_end_previous": "takes away",
    "api_key_extend_previous": "of a rotation that was proved",
    "api_key_note_alarm": "a note",
    "api_key_found": "looks a value up",
    "api_key_found_end": "takes away, at once",
    "api_keys_bulk_run": "goes on with what was proved",
    "api_keys_bulk_first": "the same",
    "service_id_edit": "gives no access to anybody new",
    "service_id_lock": "takes away",
    "service_id_disable": "takes away",
    "service_id_take_over": "of an administrator, over what nobody manages",
}
ARGUMENTS = {
    "key_id": UNKNOWN_ID, "service_id": UNKNOWN_SERVICE_ID, "iam_id": "nobody", "creation_id": 1,
    "run_id": "00000000-0000-0000-0000-000000000000", "nonce_digest": "0" * 64, "digest": "0" * 64,
    "session_id": "0" * 40, **dict.fromkeys(("webhook_id", "delivery_id"), UUID(int=0)),
}  # fmt: skip


@pytest.fixture
def old(alice_client) -> Client:
    """Alice's browser, sixteen minutes after her log-in."""
    make_old(alice_client)
    return alice_client


def create(client: Client, name: str, **more):
    """Fill in the form to create a key, and send it; `more` are headers."""
    form = fields(page(client.get(CREATE, **more)).find("form", id="create-form"))
    return client.post(CREATE, form | {"name": name, "description": 'Types <b> & "quotes"'}, **more)


def answered(client: Client, question, **more):
    """Send the question with these fields typed into it."""
    (form,) = (form for form in page(question).find_all("form") if "proof_user" in fields(form))
    return client.post(form["action"], fields(form) | more)


def test_a_proof_that_is_fresh_is_enough(alice_client):
    assert page(create(alice_client, "terraform")).find("h2", id="created-title")


def test_a_key_is_created_as_it_was_typed_once_the_password_was_given(old):
    question = create(old, "terraform")
    assert not ApiKeyRecord.objects.exists()

    answer = answered(old, question, proof_password=PASSWORD)

    assert QUESTION in page(question).text
    assert page(answer).find("h2", id="created-title")
    key = ApiKeyRecord.objects.get()
    assert (key.name, key.description) == ("terraform", 'Types <b> & "quotes"')
    assert create(old, "ansible").status_code == 200
    assert ApiKeyRecord.objects.count() == 2, "the proof is fresh again"


def test_a_code_of_the_app_is_a_proof_too(alice, old):
    app = give_app(alice)

    answer = answered(old, create(old, "terraform"), proof_code=code_of(app))

    assert page(answer).find("h2", id="created-title")


@pytest.mark.parametrize("shown", [PASSWORD, "app", "recovery code"])
def test_the_event_of_a_proof_tells_what_was_shown_and_who_used_a_recovery_code_how_many_are_left(alice, old, shown):
    app, (code, *_rest) = give_app(alice), recovery.renew(alice)
    proofs_by = {PASSWORD: {"proof_password": PASSWORD}, "app": {"proof_code": code_of(app)}}

    answer = answered(old, create(old, "terraform"), **proofs_by.get(shown, {"proof_code": code}))

    event = AuditEvent.objects.get(action=audit.PROOF)
    is_recovery = shown == "recovery code"
    left = {"codes_left": 9} if is_recovery else {}
    assert event.request_data == {"factor": "password" if shown == PASSWORD else shown} | left
    assert ("9 recovery codes are left." in page(answer).find(id="toasts").text) == is_recovery


def test_a_code_that_is_refused_is_typed_again_where_it_was_typed(alice, old):
    give_app(alice)
    question = create(old, "terraform")

    refused = answered(old, question, proof_code="000000")

    assert [field["id"] for field in page(question).find_all("input", autofocus="")] == ["proof-password"]
    assert [field["id"] for field in page(refused).find_all("input", autofocus="")] == ["proof-code"]


def test_cancel_leads_to_the_page_that_the_change_was_sent_from(alice, old):
    give_app(alice)

    question = page(old.post("/account/factors/recovery/"))

    (cancel,) = (link for link in question.find_all("a") if link.text == "Cancel")
    assert cancel["href"] == "/account/factors/"
    assert [field["id"] for field in question.find_all("input", autofocus="")] == ["proof-code"], (
        "it asks for nothing else"
    )


def test_the_question_before_a_page_is_left_for_the_dashboard(old):
    question = page(old.get(reverse("prove"), {"next": CREATE}))

    (cancel,) = (link for link in question.find_all("a") if link.text == "Cancel")
    assert cancel["href"] == reverse("dashboard")


def test_who_is_connected_with_the_provider_may_prove_there(alice, bob, rf, settings):
    here, elsewhere = "https://login.example.com", "https://elsewhere.example.com"
    ProviderIdentity.objects.create(issuer=here, subject="subject-1", user=alice)
    ProviderIdentity.objects.create(issuer=elsewhere, subject="subject-2", user=bob)
    settings.OIDC_NAME = "Staff"

    def asked_of(person) -> str:
        request = rf.get("/")
        request.user = person
        return asked_again.ways_of(request, "prove")["asks_provider"]

    settings.OIDC_ISSUER = here
    assert (asked_of(alice), asked_of(bob)) == ("Staff", "")
    settings.OIDC_ISSUER = ""
    assert asked_of(alice) == ""


def test_a_password_alone_gives_nobody_another_factor(alice, old):
    app = give_app(alice)
    answered(old, create(old, "terraform"), proof_password=PASSWORD)
    assert create(old, "ansible").status_code == 200, "it is enough for a key"

    opened = old.get(old.get(APP)["Location"])
    refused = answered(old, opened, proof_password=PASSWORD)
    removed = old.post(f"{APP}remove/", {"proof_password": PASSWORD})
    right = answered(old, opened, proof_code=code_of(app))

    assert page(opened).find_all(id="proof-password") == []
    assert QUESTION in page(refused).text
    assert QUESTION in page(removed).text
    assert Authenticator.objects.exists()
    assert right["Location"] == APP
    assert old.get(APP).status_code == 200


@pytest.mark.parametrize("part", ["reset-factors/", "link/", "activate/", ""])
def test_a_password_alone_gives_no_way_in_that_outlives_a_session(alice, dora, dora_client, part):
    app = give_app(dora)
    make_old(dora_client)
    address = f"{USERS}{alice.iam_id}/{part}"

    refused = dora_client.post(address, {"proof_password": PASSWORD})
    right = dora_client.post(address, {"proof_code": code_of(app)})

    assert page(refused).find_all(id="proof-password") == []
    assert QUESTION in page(refused).text
    assert QUESTION not in right.content.decode()


def test_a_password_is_enough_for_the_first_factor(old):
    opened = old.get(old.get(APP)["Location"])

    assert answered(old, opened, proof_password=PASSWORD)["Location"] == APP
    assert old.get(APP).status_code == 200


def test_a_wrong_password_asks_again_and_keeps_what_was_typed(old):
    refused = answered(old, create(old, "terraform"), proof_password="wrong")

    assert refused.status_code == 422
    assert page(refused).find(id="refusal").text == "This is not your password. Try again."
    assert 'value="wrong"' not in refused.content.decode()
    assert page(answered(old, refused, proof_password=PASSWORD)).find("h2", id="created-title")


def test_guesses_are_counted_as_those_of_a_log_in(old):
    counted._notes.cache_clear()  # of tests before
    question = create(old, "terraform")

    answers = [answered(old, question, proof_password="wrong").status_code for _ in range(6)]

    assert answers == [422] * 5 + [429]
    refused = answered(old, question, proof_password=PASSWORD)
    assert (refused.status_code, 890 < int(refused["Retry-After"]) <= 901) == (429, True)
    assert not ApiKeyRecord.objects.exists()
    counted.write()
    events = AuditEvent.objects.filter(action__in=(audit.PROOF, audit.LIMIT))
    told = [(event.action, event.target_name, event.reason) for event in events]
    assert told.count((audit.LIMIT, "alice", "TooManyAttempts")) == 1
    assert (audit.PROOF, "alice", "ProofRefused") in told


def test_in_a_dialog_the_question_takes_its_place_and_the_answer_comes_there(old):
    htmx = {"headers": {"HX-Request": "true", "HX-Current-URL": f"http://testserver{KEYS}"}}
    question = create(old, "terraform", **htmx)

    form = page(question).find("form", id="asked-again-form")
    refused = old.post(form["hx-post"], fields(form) | {"proof_password": "wrong"}, **htmx)
    answer = old.post(form["hx-post"], fields(form) | {"proof_password": PASSWORD}, **htmx)

    assert (question["HX-Retarget"], question["HX-Reswap"]) == ("#dialog-slot", "innerHTML")
    assert (question.status_code, refused.status_code) == (200, 422)
    assert form["hx-target"] == "closest dialog"
    assert page(answer).find("dialog", id="created")


@pytest.mark.parametrize(
    ("minutes", "name", "seconds", "is_due"),
    [
        (15, "api_key_create", 900, False),
        (15, "api_key_create", 900.001, True),
        (15, "api_key_create", -0.001, True),
        (15, "api_key_create", 0, False),
        (30, "api_key_create", 901, False),
        (30, "factors_app", 900.001, True),
        (5, "factors_app", 300.001, True),
        (5, "factors_app", 300, False),
        (0, "api_key_create", 10**6, False),
        (0, "factors_app", 900, False),
        (0, "factors_app", 900.001, True),
    ],
)
def test_a_proof_is_fresh_for_minutes_to_the_moment_and_for_factors_no_longer_than_fifteen(
    at, alice, rf, settings, minutes, name, seconds, is_due
):
    settings.REAUTHENTICATE_MINUTES = minutes
    request = rf.get("/")
    request.user, request.session = alice, {}
    proofs.remember(request)

    at(NOON + timedelta(seconds=seconds))

    assert asked_again.is_due(request, name) is is_due
    settings.APIKEYS_BACKEND = "ibm-cloud"
    assert not asked_again.is_due(request, name)
    settings.APIKEYS_BACKEND, request.user = "embedded", AnonymousUser()
    assert not asked_again.is_due(request, name)


def test_a_session_without_a_proof_counts_from_its_beginning_and_without_that_from_now(at, rf):
    request = rf.get("/")
    request.session = {sessions.BEGAN: NOON.timestamp() - 60}

    assert proofs.seconds_since(request, weakly=True) == 60
    request.session = {}
    assert proofs.seconds_since(request, weakly=True) == 0


def test_a_later_password_is_a_proof_where_it_is_enough_and_nothing_from_ahead_is(at, rf):
    request = rf.get("/")
    request.session = {}
    proofs.remember(request)
    at(NOON + timedelta(seconds=60))
    proofs.remember(request, weakly=True)
    at(NOON + timedelta(seconds=90))

    assert [proofs.seconds_since(request, weakly=enough) for enough in (True, False)] == [30, 90]
    at(NOON + timedelta(seconds=59))
    assert [proofs.seconds_since(request, weakly=enough) for enough in (True, False)] == [59, 59]
    at(NOON - timedelta(seconds=1))
    assert [proofs.seconds_since(request, weakly=enough) for enough in (True, False)] == [-1, -1]


def test_a_proof_elsewhere_counts_from_when_it_was_asked_for_and_never_from_ahead(at, rf):
    request, now = rf.get("/"), NOON.timestamp()
    request.session = {}

    for asked_at, since in ((now - 30, 30), (now + 30, 0), (None, 0), (0.0, now)):
        proofs.remember_elsewhere(request, asked_at, has_both=True)
        assert request.session[proofs.PROVED_AT] == now - since
        assert request.session[proofs.TWO_FACTORS] is True


def test_all_keys_that_were_ticked_are_still_ticked(alice, old, create_key):
    ids = [create_key(alice, name).key.id for name in ("one", "two")]

    question = old.post(f"{KEYS}bulk/", {"action": "disable", "key": ids})

    (form,) = (form for form in page(question).find_all("form") if "proof_user" in fields(form))
    assert [field["value"] for field in form.find_all("input", name="key")] == ids


@pytest.mark.parametrize("address", [f"{KEYS}export/?format=csv", f"{ACTIVITY}export/?format=csv&kind=keys"])
def test_an_export_asks_first_and_then_comes(alice, old, alices_key, address):
    asked = old.get(address)
    proved = answered(old, old.get(asked["Location"]), proof_password=PASSWORD)

    assert asked.status_code == 302
    assert proved["Location"] == address
    export = old.get(address)
    assert export.headers["Content-Disposition"].startswith("attachment")
    assert b"".join(export)  # it keeps its place to its end


def test_what_takes_access_away_never_asks(old, alices_key):
    address = f"{KEYS}{alices_key.key.id}/"

    for part in ("disable", "lock"):
        assert old.post(f"{address}{part}/").status_code == 303
    for part in ("unlock", "enable", "restore"):  # which give it back, to whoever has the value
        assert QUESTION in page(old.post(f"{address}{part}/")).text
    assert QUESTION in page(old.post(delete_address(alices_key.key.id))).text


def test_an_administrator_ends_no_session_unasked_on_the_page_of_a_user_either(dora, dora_client):
    other = log_in(dora)
    make_old(dora_client)
    address = f"{USERS}{dora.iam_id}/sessions/"

    for part in (f"{stored_key(other.session.session_key)}/end/", "end/"):
        question = dora_client.post(f"{address}{part}")
        assert QUESTION in page(question).text
    assert other.get("/").status_code == 200
    answered(dora_client, question, proof_password=PASSWORD)

    assert other.get("/").status_code == 302


def test_the_setting_moves_the_time_and_turns_it_off(old, settings):
    settings.REAUTHENTICATE_MINUTES = 20
    assert page(create(old, "one")).find("h2", id="created-title")

    settings.REAUTHENTICATE_MINUTES = 0
    make_old(old, minutes=600)

    assert page(create(old, "two")).find("h2", id="created-title")


def test_a_session_from_before_counts_from_its_beginning(alice_client):
    session = alice_client.session
    del session["proved_at"]
    session["_began"] = timezone.now().timestamp() - 16 * 60
    session.save()

    assert QUESTION in page(create(alice_client, "terraform")).text


def test_a_clock_that_is_set_back_makes_no_proof_fresh_for_ever(alice_client):
    make_old(alice_client, minutes=-600)

    assert QUESTION in page(create(alice_client, "terraform")).text


def test_bobs_password_proves_nothing_about_alice(alice, bob, old):
    bob.set_password("a sentence of his own")
    bob.save()

    assert answered(old, create(old, "terraform"), proof_password="a sentence of his own").status_code == 422


def test_rules_are_changed_as_typed_after_the_proof(dora_client):
    make_old(dora_client)
    form = fields(page(dora_client.get(RULES)).find("form", action=RULES))

    question = dora_client.post(RULES, form)
    answer = answered(dora_client, question, proof_password=PASSWORD)

    assert QUESTION in page(question).text
    assert answer.status_code == 303


# The table


def is_api(path: str) -> bool:
    return path.startswith(("/v1/", "/v2/", "/identity/", "/oidc/"))


def routes(resolver: URLResolver):
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from routes(each)
        elif isinstance(each, URLPattern) and each.name:
            yield each


def test_every_address_that_changes_something_is_guarded_or_says_why_not(dora_client):
    make_old(dora_client)
    changing = {"logout"}
    for route in routes(get_resolver()):
        names = route.pattern.regex.groupindex
        path = reverse(route.name, kwargs={name: ARGUMENTS[name] for name in names})
        if route.name != "logout" and not is_api(path) and dora_client.post(path).status_code != 405:
            changing.add(route.name)

    assert changing - NOT_GUARDED.keys() - GUARDED == set()
    assert GUARDED - changing <= OPENED
    assert NOT_GUARDED.keys() <= changing
