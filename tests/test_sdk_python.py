"""IBM's own Python client, unmodified and over a real socket, does with this server all that it does with IBM's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from ibm_cloud_sdk_core import ApiException, get_query_param
from ibm_cloud_sdk_core.authenticators import BearerTokenAuthenticator, IAMAuthenticator
from ibm_platform_services import IamIdentityV1
from ibm_platform_services.iam_identity_v1 import ApiKey, ApiKeyInsideCreateServiceIdRequest, ServiceIdList

from tests.waiting import until

pytestmark = pytest.mark.once

KEY_ID = re.compile(r"ApiKey-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SERVICE_ID = re.compile(r"ServiceId-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VALUE = re.compile(r"[A-Za-z0-9_-]{44}")
ENTITY_TAG = re.compile(r"\d+-[0-9a-f]{32}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000")


def sdk_with(site, authenticator) -> IamIdentityV1:
    sdk = IamIdentityV1(authenticator=authenticator)
    sdk.set_service_url(site.url)
    return sdk


def sdk_for(site, value) -> IamIdentityV1:
    return sdk_with(site, IAMAuthenticator(value, url=site.url))


@pytest.fixture
def sdk(site, alices) -> IamIdentityV1:
    """The client as Alice's program sets it up, with a key of hers."""
    return sdk_for(site, alices.create_key("sdk")["apikey"])


@pytest.fixture
def created(sdk, site_alice) -> dict:
    """A new key of Alice's, its value under `apikey`."""
    return sdk.create_api_key(name="terraform", iam_id=site_alice.iam_id, description="Applies changes").get_result()


@pytest.fixture
def service(sdk, site_alice) -> dict:
    """A new service ID of Alice's."""
    return sdk.create_service_id(account_id=site_alice.account_id, name="robot").get_result()


@contextmanager
def refused(status: int) -> Iterator[pytest.ExceptionInfo[ApiException]]:
    """Expect the client to raise an answer with this status."""
    with pytest.raises(ApiException) as refusal:
        yield refusal
    assert refusal.value.status_code == status


def pages(list_page, **asked) -> list[dict]:
    """Return every page of a list, following each to the next."""
    found, token = [], None
    while token or not found:
        assert len(found) < 50
        found.append(list_page(**asked, pagetoken=token).get_result())
        token = get_query_param(found[-1].get("next"), "pagetoken")
    return found


def names_of(result) -> list[str]:
    return [key["name"] for key in result["apikeys"]]


# Authentication


@pytest.mark.parametrize("path", ["", "/identity/token"])
def test_a_key_authenticates_whichever_way_the_address_is_written(site, alices, path):
    value = alices.create_key()["apikey"]
    sdk = sdk_with(site, IAMAuthenticator(value, url=site.url + path))

    answer = sdk.list_api_keys()

    assert answer.get_status_code() == 200
    assert names_of(answer.get_result()) == ["robot"]


def test_an_access_token_alone_authenticates(site, alices):
    sdk = sdk_with(site, BearerTokenAuthenticator(alices.token))

    assert sdk.list_api_keys().get_result()["apikeys"] == []


def test_the_client_takes_the_lifetime_from_the_token(sdk):
    before = datetime.now(UTC).timestamp()

    sdk.list_api_keys()

    manager = sdk.authenticator.token_manager
    assert before + 3500 < manager.expire_time <= datetime.now(UTC).timestamp() + 3600
    assert manager.refresh_token == "not_supported"


def test_a_client_that_names_itself_gets_a_refresh_token_that_works_once(site, alices):
    value = alices.create_key()["apikey"]
    authenticator = IAMAuthenticator(value, url=site.url, client_id="bx", client_secret="bx")
    sdk_with(site, authenticator).list_api_keys()
    refresh_token = authenticator.token_manager.refresh_token

    first = site.token_request(client=True, grant_type="refresh_token", refresh_token=refresh_token)
    assert first.status_code == 200
    renewed = sdk_with(site, BearerTokenAuthenticator(first.json()["access_token"]))
    assert names_of(renewed.list_api_keys().get_result()) == ["robot"]

    second = site.token_request(client=True, grant_type="refresh_token", refresh_token=refresh_token)

    assert (second.status_code, second.json()["errorCode"]) == (400, "BXNIM0407E")


def test_a_client_whose_token_ran_out_gets_another_by_itself(sdk):
    sdk.list_api_keys()
    manager = sdk.authenticator.token_manager
    spent = manager.access_token
    manager.expire_time = manager.refresh_time = 0

    assert names_of(sdk.list_api_keys().get_result()) == ["sdk"]
    assert manager.access_token != spent


def test_an_unknown_value_is_refused_in_words(site):
    sdk = sdk_for(site, "apk_" + "x" * 40)

    with refused(400) as refusal:
        sdk.list_api_keys()

    assert refusal.value.message == "Provided API key could not be found."


@pytest.mark.parametrize("around", ["{}\n", " {}", '"{}"', "\ufeff{}\r\n"])
def test_a_value_is_taken_with_what_a_file_or_a_shell_put_round_it(site, alices, around):
    value = alices.create_key()["apikey"]

    assert [key["name"] for key in site.use(around.format(value)).listed()] == ["robot"]
    assert site.introspect(alices, apikey=around.format(value))["active"] is True


def test_a_value_of_ones_own_that_begins_with_a_quotation_mark_is_taken_as_it_is(site, alices, site_alice):
    own = f'"a value with quotation marks round it, {site_alice.iam_id}"'
    key = alices.create_key("mine", apikey=own)

    assert site.use(own).listed()[0]["id"] == key["id"]
    assert site.exchange(own.strip('"')).status_code == 400


# Keys: create and look at


def test_create_returns_the_key_with_its_value_and_never_again(sdk, site_alice):
    asked = {
        "name": "terraform",
        "iam_id": site_alice.iam_id,
        "description": "Applies changes",
        "account_id": site_alice.account_id,
        "support_sessions": True,
        "action_when_leaked": "disable",
        "expires_at": "2090-01-31T18:00+0000",
    }

    created = sdk.create_api_key(**asked, store_value=False)

    key = created.get_result()
    assert created.get_status_code() == 201
    assert VALUE.fullmatch(key.pop("apikey"))
    assert KEY_ID.fullmatch(key["id"])
    assert ENTITY_TAG.fullmatch(key["entity_tag"])
    assert key["crn"] == f"crn:v1:bluemix:public:iam-identity::a/{site_alice.account_id}::apikey:{key['id']}"
    assert DATE.fullmatch(key["created_at"])
    told = asked | {"created_by": site_alice.iam_id, "locked": False, "disabled": False, "leaked": False}
    assert {name: key[name] for name in told} == told
    assert sdk.get_api_key(id=key["id"]).get_result() == key


def test_the_clients_own_model_of_a_key_reads_the_answer(sdk, site_alice):
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    created = sdk.create_api_key(
        name="terraform", iam_id=site_alice.iam_id, expires_at="2090-01-31T18:00+0000"
    ).get_result()

    key = ApiKey.from_dict(created)

    assert key.created_at == key.modified_at
    assert before <= key.created_at <= datetime.now(UTC)
    ours = {"created_at", "modified_at", "leaked"}  # the model writes dates in another form, and has no `leaked`
    assert {name: key.to_dict().get(name) for name in created.keys() - ours} == {
        name: created[name] for name in created.keys() - ours
    }


def test_a_created_key_works_at_once_in_the_client(site, sdk, site_alice):
    value = sdk.create_api_key(name="terraform", iam_id=site_alice.iam_id).get_result()["apikey"]

    assert sorted(names_of(sdk_for(site, value).list_api_keys().get_result())) == ["sdk", "terraform"]


def test_a_value_of_ones_own_is_taken_and_works(site, sdk, site_alice):
    own = f"my own value, of 32 characters or more: {site_alice.iam_id}"

    created = sdk.create_api_key(name="mine", iam_id=site_alice.iam_id, apikey=own).get_result()

    assert created["apikey"] == own
    assert sdk_for(site, own).get_api_keys_details(iam_api_key=own).get_result()["id"] == created["id"]


def test_create_locked_and_create_disabled(site, sdk, site_alice):
    locked = sdk.create_api_key(name="locked", iam_id=site_alice.iam_id, entity_lock="true").get_result()
    disabled = sdk.create_api_key(name="disabled", iam_id=site_alice.iam_id, entity_disable="true").get_result()

    assert (locked["locked"], locked["disabled"]) == (True, False)
    assert (disabled["locked"], disabled["disabled"]) == (False, True)
    with pytest.raises(ApiException, match="could not be found"):
        sdk_for(site, disabled["apikey"]).list_api_keys()


def test_a_key_for_somebody_else_is_refused_in_the_words_of_the_original(sdk, site_bob):
    with refused(400) as refusal:
        sdk.create_api_key(name="hers", iam_id=site_bob.iam_id)

    assert refusal.value.message == "The specified IAM ID does not match the IAM ID in the token."


def until_counted(sdk, key_id: str) -> None:
    """Wait for a use to be counted: that is done beside the request, a moment later."""
    activity = {"id": key_id, "include_activity": True}
    until(lambda: sdk.get_api_key(**activity).get_result()["activity"]["authn_count"])


def test_get_tells_history_and_activity_when_asked(site, sdk, site_alice, created):
    sdk_for(site, created["apikey"]).list_api_keys()
    until_counted(sdk, created["id"])
    sdk.lock_api_key(id=created["id"])

    plain = sdk.get_api_key(id=created["id"]).get_result()
    full = sdk.get_api_key(id=created["id"], include_history=True, include_activity=True)

    key = full.get_result()
    assert not {"history", "activity", "apikey"} & plain.keys()
    assert full.get_headers()["Etag"] == key["entity_tag"]
    assert [entry["action"] for entry in key["history"]] == ["create", "lock"]
    first = key["history"][0]
    assert (first["iam_id"], first["iam_id_account"]) == (site_alice.iam_id, site_alice.account_id)
    assert DATE.fullmatch(first["timestamp"])
    assert key["activity"]["authn_count"] == 1
    assert DATE.fullmatch(key["activity"]["last_authn"])


def test_a_key_that_was_never_used_says_so(sdk, created):
    key = sdk.get_api_key(id=created["id"], include_activity=True).get_result()

    assert key["activity"] == {"authn_count": 0}


def test_details_by_value(sdk, created):
    value = created.pop("apikey")

    plain = sdk.get_api_keys_details(iam_api_key=value).get_result()
    with_history = sdk.get_api_keys_details(iam_api_key=value, include_history=True).get_result()

    assert plain == created
    assert [entry["action"] for entry in with_history["history"]] == ["create"]


def test_details_of_somebody_elses_value_are_not_found(sdk, bobs):
    value = bobs.create_key()["apikey"]

    with refused(404):
        sdk.get_api_keys_details(iam_api_key=value)


# Keys: list


def test_the_list_is_read_page_by_page_to_the_end(sdk, site_alice):
    made = [
        "sdk",
        *(sdk.create_api_key(name=f"key {n}", iam_id=site_alice.iam_id).get_result()["name"] for n in range(6)),
    ]

    found = pages(sdk.list_api_keys, pagesize=1, account_id=site_alice.account_id, iam_id=site_alice.iam_id)

    assert [names_of(page) for page in found] == [[name] for name in made]
    assert {page["limit"] for page in found} == {1}
    assert ["previous" in page for page in found] == [False, *[True] * 6]


def test_the_list_leads_back_to_where_it_began(sdk, site_alice):
    for number in range(4):
        sdk.create_api_key(name=f"key {number}", iam_id=site_alice.iam_id)
    first = sdk.list_api_keys(pagesize=2).get_result()
    second = sdk.list_api_keys(pagesize=2, pagetoken=get_query_param(first["next"], "pagetoken")).get_result()

    back = sdk.list_api_keys(pagesize=2, pagetoken=get_query_param(second["previous"], "pagetoken")).get_result()

    assert names_of(second) == ["key 1", "key 2"]
    assert names_of(back) == names_of(first) == ["sdk", "key 0"]


@pytest.mark.parametrize("sort", ["name", "description", "created_at", "created_by"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_list_is_sorted_as_asked_over_all_its_pages(sdk, site_alice, sort, order):
    for name, description in (("b", "2"), ("c", "1"), ("a", "3")):
        sdk.create_api_key(name=name, iam_id=site_alice.iam_id, description=description)

    found = [key for page in pages(sdk.list_api_keys, sort=sort, order=order, pagesize=1) for key in page["apikeys"]]

    assert sorted(key["name"] for key in found) == ["a", "b", "c", "sdk"]
    column = [key[sort] for key in found]
    assert column == sorted(column, reverse=order == "desc")


def test_the_list_is_filtered_by_name(sdk, site_alice):
    for name in ("terraform prod", "TERRAFORM test", "ansible"):
        sdk.create_api_key(name=name, iam_id=site_alice.iam_id)

    found = sdk.list_api_keys(filter='name co "terraform"', sort="name").get_result()

    assert names_of(found) == ["terraform prod", "TERRAFORM test"]


def test_the_list_tells_history_when_asked(sdk):
    plain = sdk.list_api_keys().get_result()["apikeys"]
    full = sdk.list_api_keys(include_history=True).get_result()["apikeys"]

    assert "history" not in plain[0]
    assert [entry["action"] for entry in full[0]["history"]] == ["create"]


def test_an_administrator_lists_the_whole_account_and_nobody_else_does(site, sdk, site_alice, doras, site_dora):
    administrators = sdk_for(site, doras.create_key("admin")["apikey"])
    service = sdk.create_service_id(account_id=site_alice.account_id, name="robot").get_result()
    sdk.create_api_key(name="its key", iam_id=service["iam_id"])

    def owners(**parameters):
        asked = {"account_id": site_dora.account_id, "scope": "account", "pagesize": 100} | parameters
        return {key["iam_id"] for page in pages(administrators.list_api_keys, **asked) for key in page["apikeys"]}

    assert {site_alice.iam_id, site_dora.iam_id, service["iam_id"]} <= owners()
    assert {site_alice.iam_id, site_dora.iam_id} <= owners(type="user")
    assert service["iam_id"] not in owners(type="user")
    assert {iam_id[:14] for iam_id in owners(type="serviceid")} == {"iam-ServiceId-"}
    with refused(403):
        sdk.list_api_keys(scope="account")


# Keys: change


def test_update_with_a_fresh_entity_tag_changes_what_was_said_and_nothing_else(sdk, created):
    updated = sdk.update_api_key(id=created["id"], if_match=created["entity_tag"], name="opentofu").get_result()

    del created["apikey"]
    assert updated["entity_tag"].startswith("2-")
    moved = {name: updated[name] for name in ("modified_at", "entity_tag")}
    assert updated == created | moved | {"name": "opentofu"}


def test_update_everything_that_can_be_updated(sdk, created):
    changes = {
        "description": "",
        "support_sessions": True,
        "action_when_leaked": "delete",
        "expires_at": "2090-01-31T18:00+0000",
    }

    updated = sdk.update_api_key(id=created["id"], if_match="*", **changes).get_result()

    assert {name: updated[name] for name in ("name", *changes)} == {"name": "terraform", **changes}


def test_update_with_a_stale_entity_tag_is_refused_and_changes_nothing(sdk, created):
    changed = sdk.update_api_key(id=created["id"], if_match=created["entity_tag"], name="opentofu").get_result()

    with refused(409):
        sdk.update_api_key(id=created["id"], if_match=created["entity_tag"], name="too late")

    assert sdk.get_api_key(id=created["id"]).get_result() == changed


def test_a_locked_key_is_used_but_not_changed_until_it_is_unlocked(site, sdk, created):
    assert sdk.lock_api_key(id=created["id"]).get_status_code() == 204

    assert names_of(sdk_for(site, created["apikey"]).list_api_keys().get_result()) == ["sdk", "terraform"]
    for change in (
        lambda: sdk.update_api_key(id=created["id"], if_match="*", name="changed"),
        lambda: sdk.disable_api_key(id=created["id"]),
        lambda: sdk.delete_api_key(id=created["id"]),
    ):
        with refused(409):
            change()
    key = sdk.get_api_key(id=created["id"]).get_result()
    assert (key["name"], key["locked"], key["disabled"]) == ("terraform", True, False)

    assert sdk.unlock_api_key(id=created["id"]).get_status_code() == 204

    assert sdk.get_api_key(id=created["id"]).get_result()["locked"] is False
    assert sdk.delete_api_key(id=created["id"]).get_status_code() == 204


def test_a_disabled_key_is_refused_until_it_is_enabled(site, sdk, created):
    user = sdk_for(site, created["apikey"])
    user.list_api_keys()

    assert sdk.disable_api_key(id=created["id"]).get_status_code() == 204

    assert sdk.get_api_key(id=created["id"]).get_result()["disabled"] is True
    with refused(401):
        user.list_api_keys()

    assert sdk.enable_api_key(id=created["id"]).get_status_code() == 204

    assert sdk.get_api_key(id=created["id"]).get_result()["disabled"] is False
    assert names_of(user.list_api_keys().get_result()) == ["sdk", "terraform"]


def test_a_deleted_key_is_gone(site, sdk, created):
    user = sdk_for(site, created["apikey"])
    user.list_api_keys()

    assert sdk.delete_api_key(id=created["id"]).get_status_code() == 204

    for call in (
        lambda: sdk.get_api_key(id=created["id"]),
        lambda: sdk.delete_api_key(id=created["id"]),
        lambda: sdk.get_api_keys_details(iam_api_key=created["apikey"]),
    ):
        with refused(404):
            call()
    with refused(401):
        user.list_api_keys()
    with pytest.raises(ApiException, match="could not be found"):
        sdk_for(site, created["apikey"]).list_api_keys()
    assert names_of(sdk.list_api_keys().get_result()) == ["sdk"]


@pytest.mark.parametrize("call", ["get_api_key", "delete_api_key", "lock_api_key", "disable_api_key"])
def test_somebody_elses_key_is_like_one_that_never_was(sdk, bobs, call):
    bobs_key = bobs.create_key()

    with refused(404):
        getattr(sdk, call)(id=bobs_key["id"])

    bobs_key.pop("apikey")
    assert bobs.listed() == [bobs_key]


# Limits


def test_limits_count_the_keys_of_oneself_and_ones_service_ids_one_by_one_and_in_bulk(sdk, site_alice, alices, service):
    for number in range(2):
        sdk.create_api_key(name=f"key {number}", iam_id=service["iam_id"])
    address = f"/v1/accounts/{site_alice.account_id}/limits/identity"
    ids = [site_alice.iam_id, service["iam_id"]]

    def told(**body):
        answer = alices.post(address, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["apikeys_per_identity"]["identities"]

    limits = sdk.get_account_limits(account_id=site_alice.account_id, apikeys_per_identity=",".join(ids)).get_result()
    listed = sdk.bulk_list_account_entity_consumption(
        account_id=site_alice.account_id, apikeys_per_identity=ids
    ).get_result()

    both = [{"iam_id": ids[0], "count": 1}, {"iam_id": ids[1], "count": 2}]
    assert limits["apikeys_per_identity"] == {"limit": 1000, "identities": both}
    assert listed["apikeys_per_identity"]["identities"] == told(apikeys_per_identity=",".join(ids)) == both
    assert told(profiles=True) == told(apikeys_per_identity=[]) == both[:1]


def test_limits_of_a_stranger_are_not_told_in_bulk_either(sdk, site_alice, site_bob):
    with refused(400):
        sdk.bulk_list_account_entity_consumption(
            account_id=site_alice.account_id, apikeys_per_identity=[site_bob.iam_id]
        )


# Service IDs


def test_a_service_id_is_created_looked_at_and_listed(sdk, site_alice):
    created = sdk.create_service_id(account_id=site_alice.account_id, name="robot", description="Of the build")

    service = created.get_result()
    assert created.get_status_code() == 201
    assert SERVICE_ID.fullmatch(service["id"])
    assert service["iam_id"] == f"iam-{service['id']}"
    assert ENTITY_TAG.fullmatch(service["entity_tag"])
    assert (service["name"], service["description"], service["locked"]) == ("robot", "Of the build", False)
    assert "apikey" not in service
    got = sdk.get_service_id(id=service["id"], include_history=True)
    assert got.get_headers()["Etag"] == service["entity_tag"]
    assert [entry["action"] for entry in got.get_result().pop("history")] == ["create"]
    assert sdk.list_service_ids(account_id=site_alice.account_id, name="robot").get_result()["serviceids"] == [service]


def test_service_ids_are_listed_page_by_page(sdk, site_alice):
    made = {
        sdk.create_service_id(account_id=site_alice.account_id, name=f"robot {n}").get_result()["id"] for n in range(3)
    }

    found = pages(sdk.list_service_ids, account_id=site_alice.account_id, pagesize=1)

    assert len(found) == 3
    assert {service.id for page in found for service in ServiceIdList.from_dict(page).serviceids} == made


def test_a_service_id_authenticates_with_a_key_of_its_own(site, sdk, site_alice):
    service = sdk.create_service_id(
        account_id=site_alice.account_id,
        name="robot",
        apikey=ApiKeyInsideCreateServiceIdRequest(name="first key", description="Made with it"),
    ).get_result()
    second = sdk.create_api_key(name="second key", iam_id=service["iam_id"]).get_result()

    assert second["iam_id"] == service["iam_id"]
    assert second["created_by"] == site_alice.iam_id
    for value in (service["apikey"]["apikey"], second["apikey"]):
        robots = sdk_for(site, value)
        assert names_of(robots.list_api_keys(sort="name").get_result()) == ["first key", "second key"]
    claims = site.use(second["apikey"]).claims
    assert (claims["iam_id"], claims["sub_type"]) == (service["iam_id"], "ServiceId")
    assert names_of(sdk.list_api_keys(iam_id=service["iam_id"]).get_result()) == ["first key", "second key"]
    assert names_of(sdk.list_api_keys().get_result()) == ["sdk"]


def test_a_service_id_is_updated_only_with_a_fresh_entity_tag(sdk, service):
    updated = sdk.update_service_id(
        id=service["id"], if_match=service["entity_tag"], name="android", description="Dreams"
    ).get_result()

    assert (updated["name"], updated["description"]) == ("android", "Dreams")
    assert updated["entity_tag"].startswith("2-")
    with refused(409):
        sdk.update_service_id(id=service["id"], if_match=service["entity_tag"], name="too late")
    assert sdk.get_service_id(id=service["id"]).get_result() == updated


def test_a_locked_service_id_is_not_changed_until_it_is_unlocked(sdk, site_alice):
    created = sdk.create_service_id(account_id=site_alice.account_id, name="robot", entity_lock="true").get_result()
    assert created["locked"] is True

    for change in (
        lambda: sdk.update_service_id(id=created["id"], if_match="*", name="changed"),
        lambda: sdk.delete_service_id(id=created["id"]),
    ):
        with refused(409):
            change()

    assert sdk.unlock_service_id(id=created["id"]).get_status_code() == 204
    assert sdk.lock_service_id(id=created["id"]).get_status_code() == 204
    assert sdk.get_service_id(id=created["id"]).get_result()["locked"] is True
    sdk.unlock_service_id(id=created["id"])
    assert sdk.delete_service_id(id=created["id"]).get_status_code() == 204


def test_a_service_id_is_deleted_with_its_keys(site, sdk, service):
    keys = [sdk.create_api_key(name=name, iam_id=service["iam_id"]).get_result() for name in ("one", "two")]
    robots = sdk_for(site, keys[0]["apikey"])
    robots.list_api_keys()

    assert sdk.delete_service_id(id=service["id"]).get_status_code() == 204

    for gone in (
        lambda: sdk.get_service_id(id=service["id"]),
        *(lambda key=key: sdk.get_api_key(id=key["id"]) for key in keys),
    ):
        with refused(404):
            gone()
    with refused(401):
        robots.list_api_keys()
    assert names_of(sdk.list_api_keys().get_result()) == ["sdk"]


def test_nothing_of_a_service_id_is_deleted_while_one_of_its_keys_is_locked(sdk, service):
    key = sdk.create_api_key(name="free", iam_id=service["iam_id"]).get_result()
    locked = sdk.create_api_key(name="locked", iam_id=service["iam_id"], entity_lock="true").get_result()

    with refused(409) as refusal:
        sdk.delete_service_id(id=service["id"])

    error = refusal.value.http_response.json()["errors"][0]
    assert (error["code"], error["message_code"]) == ("delete_not_possible", "BXNIM0105E")
    assert error["message"] == "An API key of this service ID is locked. Unlock it first. Nothing was deleted."
    assert sdk.get_service_id(id=service["id"]).get_result() == service
    left = sdk.list_api_keys(iam_id=service["iam_id"]).get_result()["apikeys"]
    assert [found["id"] for found in left] == [key["id"], locked["id"]]


def service_names(result) -> list[str]:
    return [service["name"] for service in result["serviceids"]]


@pytest.fixture
def three_services(sdk, site_alice):
    """Made in this order; the first is changed last."""
    made = [
        sdk.create_service_id(account_id=site_alice.account_id, name=name, description=description).get_result()
        for name, description in (("builder", "2"), ("Änderer", "1"), ("tester", "3"))
    ]
    sdk.update_service_id(id=made[0]["id"], if_match="*", name="Builder")
    return made


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["Builder", "tester", "Änderer"]),
        ("description", ["Änderer", "Builder", "tester"]),
        ("created_at", ["Builder", "Änderer", "tester"]),
        ("modified_at", ["Änderer", "tester", "Builder"]),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_service_ids_are_sorted_as_asked_over_all_their_pages_forth_and_back(
    sdk, site_alice, three_services, sort, names, order
):
    asked = {"account_id": site_alice.account_id, "sort": sort, "order": order, "pagesize": 1}

    found = pages(sdk.list_service_ids, **asked)
    back = get_query_param(found[2]["previous"], "pagetoken")
    second_again = sdk.list_service_ids(**asked, pagetoken=back).get_result()

    assert [service_names(page) for page in found] == [[name] for name in names[:: 1 if order == "asc" else -1]]
    assert [page["offset"] for page in found] == [0, 1, 2]
    assert "previous" not in found[0]
    assert (service_names(second_again), second_again["offset"]) == (service_names(found[1]), 1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('name co "UILD"', ["Builder"]),
        ('name sw "äN"', ["Änderer"]),
        ('name co "er" and description eq "3"', ["tester"]),
        ('description co "4"', []),
    ],
)
def test_service_ids_are_filtered_whatever_their_letters_case(sdk, site_alice, three_services, text, names):
    assert service_names(sdk.list_service_ids(account_id=site_alice.account_id, filter=text).get_result()) == names


def test_the_list_of_service_ids_tells_history_when_asked(sdk, site_alice, three_services):
    plain = sdk.list_service_ids(account_id=site_alice.account_id).get_result()["serviceids"]
    full = sdk.list_service_ids(account_id=site_alice.account_id, include_history=True).get_result()["serviceids"]

    assert "history" not in plain[0]
    assert [entry["action"] for entry in full[0]["history"]] == ["create", "update"]


@pytest.mark.parametrize(
    "asked", [{"sort": "created_by"}, {"order": "up"}, {"filter": "name"}, {"group_id": "ServiceIdGroup-1"}]
)
def test_a_list_of_service_ids_that_cannot_be_given_is_refused_and_not_guessed(sdk, site_alice, three_services, asked):
    with refused(400) as refusal:
        sdk.list_service_ids(account_id=site_alice.account_id, **asked)

    assert refusal.value.http_response.json()["errors"][0]["details"] in asked


def test_the_activity_of_a_service_id_is_that_of_its_keys_and_outlives_them(site, sdk, service):
    keys = [sdk.create_api_key(name=name, iam_id=service["iam_id"]).get_result() for name in ("old", "new", "idle")]

    def activity():
        return sdk.get_service_id(id=service["id"], include_activity=True).get_result()["activity"]

    before = activity()
    for key in keys[:2]:
        sdk_for(site, key["apikey"]).list_api_keys()
    until(lambda: activity()["authn_count"] == 2)
    used = activity()
    sdk.delete_api_key(id=keys[0]["id"])
    sdk.delete_api_key(id=keys[2]["id"])

    assert before == {"authn_count": 0}
    assert DATE.fullmatch(used["last_authn"])
    assert activity() == used


def test_unique_instance_crns_are_kept_told_changed_and_cleared(sdk, site_alice):
    crns = ["crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::", "crn:v1:bluemix:public:kms:us-south:a/1:3::"]
    created = sdk.create_service_id(
        account_id=site_alice.account_id, name="robot", unique_instance_crns=crns
    ).get_result()

    def kept():
        return sdk.get_service_id(id=created["id"]).get_result()["unique_instance_crns"]

    assert created["unique_instance_crns"] == kept() == crns
    sdk.update_service_id(id=created["id"], if_match="*", name="android")
    assert kept() == crns
    [listed] = sdk.list_service_ids(account_id=site_alice.account_id).get_result()["serviceids"]
    assert listed["unique_instance_crns"] == crns
    changed = sdk.update_service_id(id=created["id"], if_match="*", unique_instance_crns=crns[:1]).get_result()
    assert changed["unique_instance_crns"] == kept() == crns[:1]
    sdk.update_service_id(id=created["id"], if_match="*", unique_instance_crns=[])
    assert kept() == []


def test_a_value_that_was_to_be_stored_is_not_and_the_answer_warns_of_it(sdk, site_alice):
    with_first_key = sdk.create_service_id(
        account_id=site_alice.account_id,
        name="robot",
        apikey=ApiKeyInsideCreateServiceIdRequest(name="first key", store_value=True),
    )
    service = with_first_key.get_result()
    second = sdk.create_api_key(name="second key", iam_id=service["iam_id"], store_value=True)
    third = sdk.create_api_key(name="third key", iam_id=service["iam_id"], store_value=False)

    for warned in (with_first_key, second):
        code, agent, text = warned.get_headers()["Warning"].split(" ", 2)
        assert (code, agent) == ("299", "-")
        assert "not stored" in text
    assert "Warning" not in third.get_headers()
    assert VALUE.fullmatch(second.get_result()["apikey"])
    assert "apikey" not in sdk.get_api_key(id=second.get_result()["id"]).get_result()


def test_the_value_of_a_persons_key_is_not_to_be_stored(sdk, site_alice):
    with refused(400) as refusal:
        sdk.create_api_key(name="mine", iam_id=site_alice.iam_id, store_value=True)

    assert refusal.value.message == "store_value must be false for a person's API key."
    assert names_of(sdk.list_api_keys().get_result()) == ["sdk"]


def test_a_first_key_can_be_disabled_from_the_start_but_not_where_there_is_none(site, sdk, site_alice):
    disabled = {"Entity-Disable": "true"}

    created = sdk.create_service_id(
        account_id=site_alice.account_id,
        name="robot",
        entity_lock="true",
        apikey=ApiKeyInsideCreateServiceIdRequest(name="first key"),
        headers=disabled,
    ).get_result()
    with refused(400) as refusal:
        sdk.create_service_id(account_id=site_alice.account_id, name="android", headers=disabled)

    assert (created["locked"], created["apikey"]["locked"], created["apikey"]["disabled"]) == (True, False, True)
    assert site.exchange(created["apikey"]["apikey"]).status_code == 400
    assert refusal.value.message == "This is for the first API key of the service ID: describe one, or leave it out."
    assert service_names(sdk.list_service_ids(account_id=site_alice.account_id).get_result()) == ["robot"]


def test_somebody_elses_service_id_is_like_one_that_never_was(site, bobs, site_bob, service):
    strangers = sdk_for(site, bobs.create_key()["apikey"])

    with refused(404):
        strangers.get_service_id(id=service["id"])
    with refused(400):
        strangers.create_api_key(name="a back door", iam_id=service["iam_id"])

    assert strangers.list_service_ids(account_id=site_bob.account_id).get_result()["serviceids"] == []


# What clients ask for at start


def test_the_collections_that_this_server_has_nothing_in_are_empty(sdk, site_alice):
    assert sdk.list_profiles(account_id=site_alice.account_id).get_result()["profiles"] == []
    assert sdk.list_profile_templates(account_id=site_alice.account_id).get_result()["profile_templates"] == []
    settings = sdk.list_account_settings_templates(account_id=site_alice.account_id).get_result()
    assert settings["account_settings_templates"] == []
