"""Addresses of the API; a word is matched before an id. Ids may be anything, the answer is 404 then.

Slashes too many are gone when a request comes here: paths.py.
"""

from django.urls import path

from apikeys.api import bulk, keys, leak_reports, lifecycle, oauth, service_ids
from apikeys.api.openapi import document

urlpatterns = [
    path("identity/token", oauth.token_view, name="token"),
    path("oidc/token", oauth.token_view),  # what IBM's documentation called it until 2018
    path("identity/introspect", oauth.introspect_view),
    path("identity/revoke", oauth.revoke_view),
    path("identity/keys", oauth.keys_view),
    path("identity/userinfo", oauth.userinfo_view),
    path("identity/.well-known/openid-configuration", oauth.discovery_view),
    # RFC 8414 puts these words between the host and the path of the issuer; some clients leave that path out.
    path(".well-known/oauth-authorization-server/identity", oauth.discovery_view),
    path(".well-known/oauth-authorization-server", oauth.discovery_view),
    path(".well-known/openid-configuration", oauth.discovery_view),
    path("v1/apikeys", keys.collection),
    path("v1/apikeys/details", keys.details),
    path("v1/apikeys/export", keys.export),
    path("v1/apikeys/bulk", bulk.collection),
    path("v1/apikeys/revoke", bulk.revocation),
    path("v1/apikeys/deleted", lifecycle.deleted),
    path("v1/apikeys/refusals/<str:request_id>", lifecycle.refusals_of_request),
    path("v1/apikeys/<str:key_id>", keys.item),
    path("v1/apikeys/<str:key_id>/lock", keys.lock),
    path("v1/apikeys/<str:key_id>/disable", keys.disable),
    path("v1/apikeys/<str:key_id>/rotate", lifecycle.rotation_of_key),
    path("v1/apikeys/<str:key_id>/previous", lifecycle.previous),
    path("v1/apikeys/<str:key_id>/pause", lifecycle.pause_of_key),
    path("v1/apikeys/<str:key_id>/restore", lifecycle.restored),
    path("v1/apikeys/<str:key_id>/usage", lifecycle.usage_of_key),
    path("v1/apikeys/<str:key_id>/refusals", lifecycle.refusals_of_key),
    path("v1/accounts/<str:account_id>/limits/identity", keys.limits),
    path("v1/serviceids", service_ids.collection),
    path("v1/serviceids/<str:service_id>", service_ids.item),
    path("v1/serviceids/<str:service_id>/lock", service_ids.lock),
    path("v1/serviceids/<str:service_id>/disable", service_ids.disable),
    path("v1/leaks", leak_reports.collection),
    path("v1/openapi.json", document.view, name="openapi"),
    path("v1/profiles", service_ids.empty_collection("profiles")),
    path("v1/profile_templates", service_ids.empty_collection("profile_templates")),
    path("v1/account_settings_templates", service_ids.empty_collection("account_settings_templates")),
]
