"""IBM's integration suite of its Python client, re-created: the same calls in the same order, and what it expects.

The suite is `test_iam_identity_v1` of ibm-platform-services' integration tests, as far as it is about API keys,
service IDs and limits; each method has the name that its test has there, without the `test_`.
"""

from collections.abc import Callable

import pytest
from ibm_cloud_sdk_core import ApiException, get_query_param
from ibm_platform_services import IamIdentityV1

from tests.test_sdk_python import sdk_for

KEY_NAME = "Python-SDK-IT-ApiKey-1767225600000"
SERVICE_NAME = "Python-SDK-IT-ServiceId-1767225600000"
EXPIRES_AT = "2049-01-02T18:30:00+0000"
NEW_DESCRIPTION = "This is an updated description"


def test_ibms_suite_of_its_python_client_passes(site, site_dora, doras):
    """It is run as the owner of the account, who administers it."""
    value = doras.create_key("suite")["apikey"]
    suite = Suite(sdk_for(site, value), site_dora.account_id, site_dora.iam_id, value)

    for call in [*calls(), Suite.cleanup_resources]:
        call(suite)

    assert [key["name"] for key in doras.listed()] == ["suite"]


def calls() -> list[Callable[["Suite"], None]]:
    """Return the suite's calls in the order in which they stand."""
    return [call for name, call in vars(Suite).items() if not name.startswith("_")]


def result_of(response, status: int = 200):
    assert response.get_status_code() == status
    return response.get_result()


class Suite:
    """What the calls share: the client, whose it is, and what earlier calls made."""

    def __init__(self, sdk: IamIdentityV1, account_id: str, iam_id: str, value: str) -> None:
        self.sdk, self.account_id, self.iam_id, self.value = sdk, account_id, iam_id, value
        self.key1 = self.key2 = self.service = self.key_tag = self.service_tag = ""

    def cleanup_resources(self) -> None:
        """Done before the first call and after the last."""
        keys = self.sdk.list_api_keys(account_id=self.account_id, iam_id=self.iam_id, pagesize=100)
        for key in result_of(keys)["apikeys"]:
            if key["name"] == KEY_NAME:
                result_of(self.sdk.delete_api_key(id=key["id"]), 204)
        services = self.sdk.list_service_ids(account_id=self.account_id, name=SERVICE_NAME, pagesize=100)
        for service in result_of(services)["serviceids"]:
            result_of(self.sdk.delete_service_id(id=service["id"]), 204)
        assert result_of(self.sdk.list_profiles(account_id=self.account_id))["profiles"] == []
        templates = self.sdk.list_profile_templates(account_id=self.account_id)
        assert result_of(templates)["profile_templates"] == []
        templates = self.sdk.list_account_settings_templates(account_id=self.account_id)
        assert result_of(templates)["account_settings_templates"] == []

    def create_api_key1(self) -> None:
        created = self.sdk.create_api_key(
            name=KEY_NAME,
            iam_id=self.iam_id,
            description="PythonSDK test apikey #1",
            account_id=self.account_id,
            expires_at=EXPIRES_AT,
        )
        self.key1 = result_of(created, 201)["id"]

    def create_api_key2(self) -> None:
        created = self.sdk.create_api_key(
            name=KEY_NAME, iam_id=self.iam_id, description="PythonSDK test apikey #2", account_id=self.account_id
        )
        self.key2 = result_of(created, 201)["id"]

    def get_api_key(self) -> None:
        got = self.sdk.get_api_key(id=self.key1, include_history=True, include_activity=True)
        key = result_of(got)
        assert (key["id"], key["name"]) == (self.key1, KEY_NAME)
        assert (key["iam_id"], key["created_by"], key["account_id"]) == (self.iam_id, self.iam_id, self.account_id)
        assert (key["locked"], key["disabled"], key["support_sessions"]) == (False, False, False)
        assert all(key[name] is not None for name in ("created_at", "crn", "action_when_leaked"))
        self.key_tag = got.get_headers()["Etag"]

    def get_api_keys_details(self) -> None:
        key = result_of(self.sdk.get_api_keys_details(iam_api_key=self.value))
        assert (key["iam_id"], key["created_by"], key["account_id"]) == (self.iam_id, self.iam_id, self.account_id)
        assert key["created_at"] is not None
        assert key["locked"] is False

    def list_api_keys(self) -> None:
        assert len(self._own_keys()) == 2

    def list_api_keys_with_filter(self) -> None:
        assert len(self._own_keys(filter='name co "Python"')) == 2

    def _own_keys(self, **parameters: str) -> list[str]:
        """Follow the page tokens to the end."""
        found, token = [], None
        while True:
            page = result_of(
                self.sdk.list_api_keys(
                    account_id=self.account_id, iam_id=self.iam_id, pagesize=100, pagetoken=token, **parameters
                )
            )
            found += [key["id"] for key in page["apikeys"] if key["name"] == KEY_NAME]
            token = get_query_param(page.get("next"), "pagetoken")
            if token is None:
                return found

    def update_api_key(self) -> None:
        updated = self.sdk.update_api_key(
            id=self.key1, if_match=self.key_tag, description=NEW_DESCRIPTION, expires_at=EXPIRES_AT
        )
        assert result_of(updated)["description"] == NEW_DESCRIPTION

    def lock_api_key(self) -> None:
        result_of(self.sdk.lock_api_key(id=self.key1), 204)
        assert result_of(self.sdk.get_api_key(id=self.key1))["locked"] is True

    def unlock_api_key(self) -> None:
        result_of(self.sdk.unlock_api_key(id=self.key1), 204)
        assert result_of(self.sdk.get_api_key(id=self.key1))["locked"] is False

    def disable_api_key(self) -> None:
        result_of(self.sdk.disable_api_key(id=self.key1), 204)
        assert result_of(self.sdk.get_api_key(id=self.key1))["disabled"] is True

    def enable_api_key(self) -> None:
        result_of(self.sdk.enable_api_key(id=self.key1), 204)
        assert result_of(self.sdk.get_api_key(id=self.key1))["disabled"] is False

    def delete_api_key1(self) -> None:
        self._delete_key(self.key1)

    def delete_api_key2(self) -> None:
        self._delete_key(self.key2)

    def _delete_key(self, key_id: str) -> None:
        result_of(self.sdk.delete_api_key(id=key_id), 204)
        with pytest.raises(ApiException):
            self.sdk.get_api_key(id=key_id)

    def create_service_id(self) -> None:
        created = self.sdk.create_service_id(
            account_id=self.account_id,
            name=SERVICE_NAME,
            description="PythonSDK test serviceid",
            apikey={"name": "API Key Name", "store_value": True, "expires_at": EXPIRES_AT},
        )
        self.service = result_of(created, 201)["id"]

    def get_service_id(self) -> None:
        got = self.sdk.get_service_id(id=self.service, include_history=True, include_activity=True)
        assert (result_of(got)["id"], result_of(got)["name"]) == (self.service, SERVICE_NAME)
        self.service_tag = got.get_headers()["Etag"]

    def list_service_ids(self) -> None:
        found = self.sdk.list_service_ids(account_id=self.account_id, name=SERVICE_NAME, pagesize=100)
        assert len(result_of(found)["serviceids"]) == 1

    def list_service_ids_with_filter(self) -> None:
        found = self.sdk.list_service_ids(
            account_id=self.account_id, name=SERVICE_NAME, pagesize=100, filter='name co "Python"'
        )
        assert len(result_of(found)["serviceids"]) == 1

    def update_service_id(self) -> None:
        updated = self.sdk.update_service_id(id=self.service, if_match=self.service_tag, description=NEW_DESCRIPTION)
        assert result_of(updated)["description"] == NEW_DESCRIPTION

    def lock_service_id(self) -> None:
        result_of(self.sdk.lock_service_id(id=self.service), 204)
        assert result_of(self.sdk.get_service_id(id=self.service))["locked"] is True

    def unlock_service_id(self) -> None:
        result_of(self.sdk.unlock_service_id(id=self.service), 204)
        assert result_of(self.sdk.get_service_id(id=self.service))["locked"] is False

    def delete_service_id(self) -> None:
        """It still has the key that was made with it."""
        result_of(self.sdk.delete_service_id(id=self.service), 204)
        with pytest.raises(ApiException):
            self.sdk.get_service_id(id=self.service)

    def get_account_limits(self) -> None:
        assert result_of(self.sdk.get_account_limits(account_id=self.account_id)) is not None

    def bulk_list_account_entity_consumption(self) -> None:
        found = self.sdk.bulk_list_account_entity_consumption(
            account_id=self.account_id,
            serviceid_groups=True,
            serviceids_per_group=["ServiceIdGroup-12345678-1234-1234-1234-123456789abc"],
            profiles=True,
            apikeys_per_identity=["iam-ServiceId-12345678-1234-1234-1234-123456789def"],
            templates=True,
            template_versions_per_template=["AccountSettingsTemplate-12345678-1234-1234-1234-123456789abc"],
            idps=True,
            claim_rules_per_group=["AccessGroupId-12345678-1234-1234-1234-123456789abc"],
        )
        assert result_of(found) is not None
