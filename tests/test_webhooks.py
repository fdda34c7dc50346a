"""Webhooks: each event comes once, signed, to whom it is for; what a receiver does holds nobody up."""

import io
import json
import threading
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from apikeys import audit
from apikeys.audit import chain, walk
from apikeys.audit.catalogue import EventKind
from apikeys.exceptions import InvalidApiKey, NotAuthorized, WebhookDisabled
from apikeys.models import AuditChain, AuditEvent
from apikeys.services import activity_details
from console import resealing
from console.copy_store import copying
from console.outbox import dispatcher, queue
from console.outbox.dispatcher import Dispatcher
from console.outbox.models import Delivery, State
from console.outbox.senders import SENDERS
from console.webhooks import changes, fan_out, sending, signing
from console.webhooks.changes import Draft
from console.webhooks.models import Webhook
from tests.addresses import WEBHOOKS as PAGE
from tests.conftest import caller_for
from tests.markup import page
from tests.receiver import Receiver
from tests.second_factors import make_old
from tests.threads import at_once
from tests.waiting import until


@pytest.fixture(autouse=True)
def to_this_machine(db, settings, monkeypatch):
    """Webhooks may go to this machine, and the chain is of this test."""
    settings.WEBHOOKS_ALLOWED_NETWORKS, settings.WEBHOOKS_HTTP = "127.0.0.0/8 ::1", True
    monkeypatch.setitem(SENDERS, "webhook", sending.WebhookSender())
    AuditChain.objects.all().delete()
    chain.begin()
    yield
    chain._key.cache_clear()


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = datetime.now(timezone.get_default_timezone()) + timedelta(minutes=1)  # rows are of before

        def put_on(self, span: timedelta) -> None:
            self.now += span

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


@pytest.fixture
def hook(dora, receiver):
    """Dora's webhook, with its secret."""
    return changes.create(caller_for(dora), Draft("SIEM", receiver.url))


def happens(person, action: str = audit.UPDATE, name: str = "terraform", **data: object) -> None:
    audit.record(caller_for(person), action, target_name=name, **data)


def tell() -> None:
    """Do what a process does within seconds: seal, put into the outbox, send."""
    chain.seal_events()
    fan_out.fan_out()
    worker = Dispatcher()
    while claimed := worker.claim():
        lane = dispatcher.lane_of(claimed[0])
        worker.send(lane, claimed)
        worker.busy.discard(lane)


def types(receiver: Receiver) -> list[str]:
    return [json.loads(message.body)["type"] for message in receiver.received]


def forget_the_creation(receiver: Receiver) -> None:
    tell()
    receiver.received.clear()
    Delivery.objects.all().delete()


def test_what_happens_comes_as_a_message_that_the_library_of_standard_webhooks_verifies(alice, hook, receiver):
    forget_the_creation(receiver)
    happens(alice, lock=True)

    tell()

    [message] = receiver.received
    told = Verifier(hook.secret).verify(message.body, message.headers)
    event = AuditEvent.objects.get(action=audit.UPDATE)
    assert (told["type"], told["data"]["id"]) == (audit.UPDATE, str(event.id))
    assert told["timestamp"] == told["data"]["eventTime"]
    assert told["data"]["initiator"]["id"] == alice.iam_id
    assert message.headers["webhook-id"] == f"msg_{event.id.hex}"
    assert message.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Verifier(signing.new_secret()).verify(message.body, message.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(hook.secret).verify(message.body.replace("terraform", "terraform2"), message.headers)


def test_a_webhook_is_told_of_its_own_creation_and_of_nothing_before(alice, dora, receiver):
    happens(alice)
    chain.seal_events()

    changes.create(caller_for(dora), Draft("SIEM", receiver.url))
    tell()

    assert types(receiver) == [audit.WEBHOOK_CREATE]


def test_each_event_is_told_once_in_order_of_the_chain_and_only_of_the_kinds_that_were_chosen(alice, dora, receiver):
    changes.create(caller_for(dora), Draft("keys", receiver.url, (EventKind.KEYS, EventKind.USERS)))
    for number in range(5):
        happens(alice, name=f"key {number}")
    happens(alice, audit.LOG_IN)
    happens(alice, audit.UPDATE, "upstream", outcome=audit.PENDING)

    for _time in range(3):
        tell()

    names = [json.loads(message.body)["data"]["target"]["name"] for message in receiver.received]
    assert names == [f"key {number}" for number in range(5)]


def test_more_events_than_a_page_are_told_whole_and_what_waits_is_limited(alice, hook, receiver, monkeypatch):
    forget_the_creation(receiver)
    monkeypatch.setattr(fan_out, "PAGE", 3)
    monkeypatch.setattr(fan_out, "MOST_WAITING", 6)
    for number in range(14):
        happens(alice, name=f"key {number}")
    chain.seal_events()

    fan_out.fan_out()
    waiting = Delivery.objects.count()
    for _time in range(3):
        tell()

    assert waiting == 6
    assert len(receiver.received) == 14 == len({message.headers["webhook-id"] for message in receiver.received})


def test_what_was_removed_before_it_was_told_is_left_out(alice, hook, receiver):
    forget_the_creation(receiver)
    for number in range(4):
        happens(alice, name=f"key {number}")
    chain.seal_events()
    AuditEvent.objects.filter(target_name__in=["key 0", "key 3"]).delete()

    tell()

    assert len(receiver.received) == 2
    assert Webhook.objects.get().after_place == walk.end_of_chain()


def test_without_its_pepper_nothing_is_told_and_the_log_says_why(alice, hook, receiver, settings, caplog):
    forget_the_creation(receiver)
    chain._key.cache_clear()
    chain._tell_unopened.cache_clear()
    peppers, settings.APIKEYS_PEPPERS = settings.APIKEYS_PEPPERS, type(settings.APIKEYS_PEPPERS).parse(f"9:{'ab' * 32}")
    AuditEvent.objects.create(action=audit.UPDATE, outcome="success", severity="normal", initiator_id="IBMid-1")

    for _time in range(2):
        tell()

    assert not Delivery.objects.exists()
    assert caplog.text.count("Audit events get no place in their chain") == 1
    settings.APIKEYS_PEPPERS = peppers


@pytest.mark.django_db(transaction=True)
def test_of_many_processes_that_tell_at_once_each_event_is_put_in_once(alice, hook):
    for _number in range(30):
        happens(alice)
    chain.seal_events()

    outcomes = at_once(4, fan_out.fan_out)

    assert outcomes == [None] * 4
    ids = Delivery.objects.values_list("message_id", flat=True)
    assert len(ids) == len({*ids}) == 31


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_hangs_holds_up_no_other_and_no_request(alice, dora, alice_client, alices_key):
    with Receiver() as slow, Receiver() as good:
        slow.hold = threading.Event()
        for receiver in (slow, good):
            changes.create(caller_for(dora), Draft(str(receiver.port), receiver.url))
        chain.seal_events()
        fan_out.fan_out()
        worker = Dispatcher()

        while worker.begin_lane():
            pass
        until(lambda: len(good.received) > 1 and slow.received)
        path = reverse("api_key_delete", args=[alices_key.key.id])
        assert alice_client.post(path, {"name": alices_key.key.name}).status_code in (200, 302, 303)

        assert len(slow.received) == 1
        slow.hold.set()
        until(lambda: not worker.busy)


def test_a_message_that_fails_comes_again_with_its_id_and_a_time_of_its_own(alice, hook, receiver, clock):
    forget_the_creation(receiver)
    happens(alice)
    receiver.answer = (503, {})
    tell()
    assert Delivery.objects.get().result == "http_503"
    assert Webhook.objects.get().failing_since == clock.now

    receiver.answer = (200, {})
    clock.put_on(timedelta(seconds=6))
    tell()

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert Delivery.objects.get().state == State.DELIVERED
    assert Webhook.objects.get().failing_since is None


def test_a_receiver_that_asks_for_time_gets_it_and_one_that_is_gone_is_left_alone(alice, hook, receiver, clock):
    forget_the_creation(receiver)
    happens(alice)
    receiver.answer = (429, {"Retry-After": "7200"})
    tell()
    asked = Delivery.objects.get().next_attempt_at - clock.now
    receiver.answer = (410, {})
    clock.put_on(asked)

    tell()

    assert asked == timedelta(hours=2)
    assert (Delivery.objects.get().state, Delivery.objects.get().result) == (State.GIVEN_UP, "http_410")


def test_both_secrets_sign_for_a_day_after_a_new_one_was_made(dora, hook, receiver, clock):
    newer = changes.new_secret(caller_for(dora), hook.webhook.id)
    changes.send_test(caller_for(dora), hook.webhook.id)
    tell()
    for secret in (hook.secret, newer.secret):
        message = receiver.received[-1]
        Verifier(secret).verify(
            message.body, message.headers | {"webhook-timestamp": message.headers["webhook-timestamp"]}
        )
    clock.put_on(changes.OVERLAP)
    changes.send_test(caller_for(dora), hook.webhook.id)

    webhook = Webhook.objects.get()
    assert signing.secrets_of(webhook) == [newer.secret]
    at_once_made = changes.new_secret(caller_for(dora), hook.webhook.id, at_once=True)
    assert signing.secrets_of(Webhook.objects.get()) == [at_once_made.secret]


def test_secrets_and_addresses_outlive_a_rotation_of_the_secret_key(hook, receiver, settings):
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another key of the console, long enough to be one " * 2
    settings.SECRET_KEY_FALLBACKS = [before]
    webhook = Webhook.objects.get()
    assert signing.secrets_of(webhook) == [hook.secret]

    assert signing.seal_again in resealing.SEALED
    assert signing.seal_again() == 2

    settings.SECRET_KEY_FALLBACKS = []
    webhook = Webhook.objects.get()
    assert (signing.secrets_of(webhook), changes.url_of(webhook)) == ([hook.secret], receiver.url)
    assert signing.unreadable() == 0
    settings.SECRET_KEY = before
    assert signing.unreadable() == 1


def test_no_secret_and_no_address_is_anywhere_in_clear(hook, receiver, dora, caplog):
    changes.new_secret(caller_for(dora), hook.webhook.id)
    receiver.answer = (500, {})
    tell()

    kept = []
    for table in map(copying.name_of, copying.tables()):
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  (a name of the database)
            kept += [bytes(cell) if isinstance(cell, memoryview) else cell for row in cursor for cell in row]
    told = "".join(map(repr, kept)) + caplog.text + repr(hook) + receiver.received[-1].body
    assert receiver.url not in told
    assert hook.secret.removeprefix(signing.PREFIX) not in told


def test_a_value_of_a_key_is_in_no_message(alice_client, alice, hook, receiver, create_key):
    issued = create_key(alice, name="told of")

    tell()

    bodies = "".join(message.body for message in receiver.received)
    assert audit.CREATE in bodies
    assert issued.value not in bodies


def test_a_disabled_webhook_is_told_of_nothing_and_one_enabled_again_of_what_comes_then(alice, dora, hook, receiver):
    forget_the_creation(receiver)
    happens(alice, name="waits")
    chain.seal_events()
    fan_out.fan_out()
    draft = Draft("SIEM", receiver.url)
    changes.change(caller_for(dora), hook.webhook.id, Draft("SIEM", receiver.url, enabled=False))
    with pytest.raises(WebhookDisabled):
        changes.send_test(caller_for(dora), hook.webhook.id)
    happens(alice, name="meanwhile")
    tell()
    assert receiver.received == []
    assert AuditEvent.objects.get(action=audit.WEBHOOK_TEST).reason == "WebhookDisabled"

    changes.change(caller_for(dora), hook.webhook.id, draft)
    happens(alice, name="then")
    tell()

    names = [json.loads(message.body)["data"]["target"]["name"] for message in receiver.received]
    assert names == ["SIEM", "then"]
    assert types(receiver)[0] == audit.WEBHOOK_UPDATE


def test_one_message_is_sent_again_with_its_id(alice, dora, hook, receiver):
    forget_the_creation(receiver)
    happens(alice)
    tell()

    changes.send_again(caller_for(dora), hook.webhook.id, Delivery.objects.get().id)
    tell()

    first, again, told_of = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])
    assert json.loads(told_of.body)["type"] == audit.WEBHOOK_REPLAY


def test_everything_since_a_moment_is_sent_again_from_the_audit_log(alice, dora, hook, receiver):
    for hours in range(6, 0, -1):
        happens(alice, name=f"{hours} hours ago", when=timezone.now() - timedelta(hours=hours))
    tell()
    Delivery.objects.all().delete()  # they are not kept for ever
    receiver.received.clear()

    changes.send_again_since(caller_for(dora), hook.webhook.id, timezone.now() - timedelta(hours=3, minutes=30))
    tell()

    names = [json.loads(message.body)["data"]["target"]["name"] for message in receiver.received]
    assert names == ["3 hours ago", "2 hours ago", "1 hours ago", "SIEM", "SIEM"]


def test_a_moment_that_has_no_event_behind_it_sends_nothing_again(dora, hook, receiver):
    forget_the_creation(receiver)

    changes.send_again_since(caller_for(dora), hook.webhook.id, timezone.now())
    tell()

    assert types(receiver) == [audit.WEBHOOK_REPLAY]


def test_a_webhook_that_is_deleted_takes_what_waits_along(alice, dora, hook, receiver):
    happens(alice)
    chain.seal_events()
    fan_out.fan_out()

    changes.delete(caller_for(dora), hook.webhook.id)
    tell()

    assert (receiver.received, Delivery.objects.count(), Webhook.objects.count()) == ([], 0, 0)


def test_what_is_done_with_webhooks_is_audited_without_their_addresses(dora, hook, receiver):
    caller, webhook_id = caller_for(dora), hook.webhook.id
    changes.change(caller, webhook_id, Draft("SIEM", f"{receiver.url}&token=hidden", (EventKind.KEYS,)))
    changes.new_secret(caller, webhook_id)
    changes.send_test(caller, webhook_id)
    changes.send_again(caller, webhook_id, Delivery.objects.get().id)
    changes.delete(caller, webhook_id)

    events = AuditEvent.objects.filter(action__startswith="console.webhook").order_by("event_time")
    assert [event.action for event in events] == [
        audit.WEBHOOK_CREATE, audit.WEBHOOK_UPDATE, audit.WEBHOOK_SECRET, audit.WEBHOOK_TEST, audit.WEBHOOK_REPLAY,
        audit.WEBHOOK_DELETE,
    ]  # fmt: skip
    told = json.dumps([event.request_data for event in events])
    assert f"localhost:{receiver.port}" in told
    assert webhook_id.hex[:8] in told
    assert '"url_changed": true' in told and '"kinds": "keys"' in told
    assert "hooks" not in told and "hidden" not in told


def test_that_a_webhook_is_disabled_or_told_of_all_kinds_again_is_in_the_event_and_in_its_words(dora, hook, receiver):
    caller, webhook_id = caller_for(dora), hook.webhook.id
    changes.change(caller, webhook_id, Draft("SIEM", receiver.url, (EventKind.KEYS,)))

    changes.set_enabled(caller, webhook_id, enabled=False)
    changes.change(caller, webhook_id, Draft("SIEM", receiver.url, enabled=False))

    _narrowed, disabled, widened = AuditEvent.objects.filter(action=audit.WEBHOOK_UPDATE).order_by("event_time")
    told = {"webhook": webhook_id.hex[: changes.SHORT]}
    assert (disabled.request_data, widened.request_data) == (told | {"enabled": False}, told | {"kinds": ""})
    assert activity_details.what(disabled) == "Webhook disabled"
    assert ("Kinds", "All") in [*activity_details.details(widened)]


def test_an_address_that_is_refused_is_an_event_that_does_not_name_it(dora, hook):
    caller, refused = caller_for(dora), Draft("SIEM", "http://10.0.0.1/hidden")

    with pytest.raises(InvalidApiKey):
        changes.create(caller, refused)
    with pytest.raises(InvalidApiKey):
        changes.change(caller, hook.webhook.id, refused)

    events = AuditEvent.objects.filter(outcome=audit.FAILURE).order_by("event_time")
    tried = [(audit.WEBHOOK_CREATE, "InvalidApiKey"), (audit.WEBHOOK_UPDATE, "InvalidApiKey")]
    assert [*events.values_list("action", "reason")] == tried
    assert "10.0.0.1" not in json.dumps([event.request_data for event in events])


def test_nobody_but_an_administrator_does_anything_with_webhooks(alice, bob_client, hook):
    paths = ["", "create/", f"{hook.webhook.id}/"]
    posted = [
        f"{hook.webhook.id}/{what}/" for what in ("test", "secret", "since", "delete", f"again/{hook.webhook.id}")
    ]

    assert {bob_client.get(PAGE + path).status_code for path in paths} == {403}
    assert {bob_client.post(PAGE + path).status_code for path in [*paths[1:], *posted]} == {403}
    for act in (changes.send_test, changes.delete, changes.new_secret, changes.get):
        with pytest.raises(NotAuthorized):
            act(caller_for(alice), hook.webhook.id)
    assert Webhook.objects.count() == 1


def test_there_are_twenty_webhooks_at_most(dora_client, dora, receiver):
    for number in range(changes.MOST):
        changes.create(caller_for(dora), Draft(f"hook {number}", receiver.url))

    refused = dora_client.post(f"{PAGE}create/", {"name": "more", "url": receiver.url})

    assert refused.status_code == 422
    assert "There are 20 webhooks already." in refused.text


def test_dora_makes_a_webhook_sees_its_secret_once_and_tests_it(dora_client, receiver):
    made = dora_client.post(f"{PAGE}create/", {"name": "SIEM", "url": receiver.url, "kinds": ["keys"]})
    secret = page(made).find(id="secret").text
    webhook = Webhook.objects.get()
    address = reverse("webhook_details", args=[webhook.id])

    sent = dora_client.post(f"{address}test/")
    tell()
    shown = dora_client.get(address)

    assert made["Cache-Control"] == "no-store"
    assert sent.status_code == 303
    message = receiver.received[-1]
    assert Verifier(secret).verify(message.body, message.headers)["type"] == "console.webhook.ping"
    assert "The receiver answered with status 204." in shown.text
    assert secret not in shown.text and secret not in dora_client.get(PAGE).text
    assert [box["value"] for box in page(shown).find_all("input", name="kinds") if "checked" in box] == ["keys"]


def test_the_page_keeps_what_was_typed_and_says_what_is_wrong(dora_client):
    refused = dora_client.post(f"{PAGE}create/", {"name": "SIEM", "url": "ftp://example.com"})

    assert refused.status_code == 422
    assert "Use an address such as https://example.com/hooks." in refused.text
    assert page(refused).find(id="id_url")["value"] == "ftp://example.com"


def test_a_moment_that_is_to_come_is_refused_on_the_page(dora_client, hook):
    address = reverse("webhook_details", args=[hook.webhook.id])

    refused = dora_client.post(f"{address}since/", {"since": "2090-01-01T10:00"})

    assert refused.status_code == 422
    assert "Choose a moment that has been." in refused.text


def test_a_webhook_that_has_failed_for_a_day_is_marked(dora_client, hook):
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=1, seconds=1))

    assert "Nothing arrives" in dora_client.get(PAGE).text
    assert "No message arrived since" in dora_client.get(f"{PAGE}{hook.webhook.id}/").text


@pytest.mark.parametrize("name", ["", "\u202egnp", "x" * 61])
def test_a_webhook_has_a_name_that_people_can_read(dora, receiver, name):
    with pytest.raises(InvalidApiKey) as refused:
        changes.create(caller_for(dora), Draft(name, receiver.url))

    assert refused.value.field == "name"


def test_changes_ask_again_who_it_is(dora_client, hook, settings):
    settings.REAUTHENTICATE_MINUTES = 15
    make_old(dora_client)

    asked = dora_client.post(f"{PAGE}{hook.webhook.id}/delete/")

    assert Webhook.objects.exists()
    assert 'name="proof_password"' in asked.text


def test_forgetting_and_filling_up_leave_other_recipients_alone(hook):
    queue.enqueue([Delivery(kind="mail", recipient=hook.webhook.id.hex, message_id="m", topic="t", payload="{}")])

    queue.forget("webhook", hook.webhook.id.hex)

    assert Delivery.objects.filter(kind="mail").count() == 1
    assert not queue.is_full("webhook", hook.webhook.id.hex, 1)


def manage(*arguments: str) -> str:
    out = io.StringIO()
    call_command("webhooks", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_does_by_commands_what_administrators_do_on_pages(receiver, alice):
    secret = manage("create", "SIEM", receiver.url, "--kind", "keys").splitlines()[-1]
    webhook_id = str(Webhook.objects.get().id)
    happens(alice, name="told")
    tell()
    message = receiver.received[-1]

    for step in ("test", "disable", "enable"):
        assert manage(step, webhook_id) == "SIEM: done.\n"
    newer = manage("secret", webhook_id, "--at-once").splitlines()[-1]
    manage("since", webhook_id, "2026-01-31T09:30")

    assert Verifier(secret).verify(message.body, message.headers)["data"]["target"]["name"] == "told"
    assert signing.secrets_of(Webhook.objects.get()) == [newer]
    assert manage("list").split() == [webhook_id, "enabled", f"localhost:{receiver.port}", "SIEM"]
    manage("delete", webhook_id)
    assert manage("list") == ""
    assert {*AuditEvent.objects.filter(action__startswith="console.webhook").values_list("agent", flat=True)} == {
        "manage.py"
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "SIEM", "http://10.0.0.1/"), "This address is not public. The operator allows networks"),
        (("test", "00000000-0000-0000-0000-000000000000"), "This webhook does not exist. It may have been deleted."),
    ],
)
def test_a_command_about_webhooks_that_is_refused_says_why(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        manage(*arguments)
