"""Manage > Access > Scopes: what administrators define for the services behind the console."""

import pytest

from apikeys import scopes
from apikeys.domain import ApiKeyChanges
from apikeys.models import AuditEvent, ScopeRecord
from apikeys.services import deletion, keys, offered_scopes
from tests.conftest import caller_for, log_in
from tests.markup import described_by, page

SCOPES = "/manage/scopes/"
EDIT, DELETE = f"{SCOPES}edit/", f"{SCOPES}delete/"
BILLING = "billing:read"


@pytest.fixture
def dora_client(dora):
    return log_in(dora)


@pytest.fixture
def billing(dora) -> ScopeRecord:
    return ScopeRecord.objects.create(name=BILLING, sentence="Read invoices", created_by=dora.iam_id)


def rows(answer) -> dict[str, str]:
    return {
        row.find("th").text: row.find_all("td")[0].text for row in page(answer).find("tbody").find_all("tr", role="row")
    }


def events() -> list[tuple[str, str, str, dict]]:
    written = AuditEvent.objects.filter(action__contains="account-scope").order_by("event_time")
    return [(each.action.rpartition(".")[2], each.outcome, each.target_name, each.request_data) for each in written]


def test_dora_defines_a_scope_and_everybody_can_choose_it(dora, dora_client, alice):
    answer = dora_client.post(SCOPES, {"name": f" {BILLING} ", "sentence": "Read invoices"}, follow=True)

    assert answer.redirect_chain == [(SCOPES, 303)]
    assert rows(answer)[BILLING] == "Read invoices"
    assert f"{BILLING} is defined: keys can be limited to it." in page(answer).text
    record = ScopeRecord.objects.get()
    assert (record.name, record.sentence, record.created_by) == (BILLING, "Read invoices", dora.iam_id)
    assert events() == [("create", "success", BILLING, {"sentence": "Read invoices"})]
    assert [scope.name for scope in offered_scopes.offered()] == [scopes.READ, scopes.WRITE, BILLING]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "Enter a name."),
        ("Billing", "Use up to 64 of a-z, 0-9 and . _ : / - and begin with a letter or a digit."),
        ("billing read", "Use up to 64 of a-z"),
        (":read", "Use up to 64 of a-z"),
        ("x" * 65, "Use up to 64 of a-z"),
        ("a\0", "Use up to 64 of a-z"),
        ("apikeys:admin", "This console uses this name itself. Choose another one."),
        ("all", "This console uses this name itself."),
        ("openid", "This console uses this name itself."),
        (BILLING, "There is a scope with this name already."),
    ],
)
def test_what_can_be_no_name_is_said_beside_the_field(dora_client, billing, name, told):
    answer = dora_client.post(SCOPES, {"name": name, "sentence": "Read invoices"})

    form = page(answer).find("form", class_="form narrow")
    assert answer.status_code == 422
    assert told in described_by(form, form.find("input", name="name"))
    assert ScopeRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (" ", "Say what the scope allows."),
        ("x" * 256, "This has 256 characters. Use at most 255."),
        ("a\nb", "This contains a control character. Remove it."),
    ],
)
def test_a_sentence_is_one_line_for_people(dora_client, billing, sentence, told):
    made = dora_client.post(SCOPES, {"name": "logs:write", "sentence": sentence})
    changed = dora_client.post(f"{EDIT}?name={BILLING}", {"sentence": sentence})

    for answer in (made, changed):
        form = page(answer).find("form", class_="form narrow")
        assert answer.status_code == 422
        assert told in described_by(form, form.find("input", name="sentence"))
    assert [record.sentence for record in ScopeRecord.objects.all()] == ["Read invoices"]


def test_there_is_a_limit_of_scopes_because_a_form_offers_them_all(dora_client, monkeypatch, billing):
    monkeypatch.setattr(offered_scopes, "MOST", 1)

    answer = dora_client.post(SCOPES, {"name": "logs:write", "sentence": "Write logs"})

    form = page(answer).find("form", class_="form narrow")
    assert "There can be 1 scopes." in described_by(form, form.find("input", name="name"))
    assert events() == [("create", "failure", "logs:write", {})]


def test_dora_rewords_a_scope(dora_client, billing):
    before = dora_client.get(f"{EDIT}?name={BILLING}")
    dora_client.post(f"{EDIT}?name={BILLING}", {"sentence": "Read all invoices"})

    assert page(before).find("input", name="sentence")["value"] == "Read invoices"
    assert ScopeRecord.objects.get().sentence == "Read all invoices"
    told = {"sentence": "Read all invoices", "prev_sentence": "Read invoices"}
    assert events() == [("update", "success", BILLING, told)]


def test_a_scope_is_deleted_once_no_key_has_it(dora_client, alice, billing, create_key):
    ScopeRecord.objects.create(name="billing:read:all", sentence="Read everything", created_by="")
    caller = caller_for(alice)
    create_key(alice, "of a longer name", scope=f"{scopes.READ} billing:read:all")
    keep, remove = (create_key(alice, name, scope=f"{scopes.READ} {BILLING}").key for name in ("keep", "remove"))
    deletion.delete_api_key(caller, remove.id)

    refused = dora_client.post(DELETE, {"name": BILLING})
    keys.update_api_key(caller, keep.id, ApiKeyChanges(scope=scopes.READ), entity_tag="*")
    again = dora_client.post(DELETE, {"name": BILLING})
    deletion.restore_api_key(caller, remove.id)
    keys.update_api_key(caller, remove.id, ApiKeyChanges(scope=""), entity_tag="*")
    done = dora_client.post(DELETE, {"name": BILLING})

    told = "API keys that have it, with those that can be restored: 2. Take it from them first."
    assert refused.status_code == 409
    assert page(refused).find(role="alert", id="refusal").text == f"{BILLING} can't be deleted. {told}"
    assert [again.status_code, done.status_code] == [409, 303]
    assert [record.name for record in ScopeRecord.objects.all()] == ["billing:read:all"]
    assert [event[:3] for event in events()] == [
        ("delete", "failure", BILLING),
        ("delete", "failure", BILLING),
        ("delete", "success", BILLING),
    ]


def test_what_this_console_itself_means_is_neither_edited_nor_deleted(dora_client):
    listed = page(dora_client.get(SCOPES))

    assert listed.find_all("form", action=DELETE) == []
    for name in (*scopes.BUILT_IN, "nobody:knows", "a\0", "x" * 100_000):
        assert dora_client.get(EDIT, {"name": name[:1000]}).status_code == 404
        assert dora_client.post(DELETE, {"name": name}).status_code == 404


def test_nobody_but_administrators_sees_or_changes_them(alice_client, billing):
    answers = [
        alice_client.get(SCOPES),
        alice_client.get(f"{EDIT}?name={BILLING}"),
        alice_client.post(SCOPES, {"name": "logs:write", "sentence": "Write logs"}),
        alice_client.post(f"{EDIT}?name={BILLING}", {"sentence": "Everything"}),
        alice_client.post(DELETE, {"name": BILLING}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert [(record.name, record.sentence) for record in ScopeRecord.objects.all()] == [(BILLING, "Read invoices")]
    assert SCOPES not in alice_client.get("/").content.decode()
