"""Addresses of the page, below /manage/security/apikeys/."""

from django.urls import path, register_converter

from apikeys.domain import API_KEY_ID
from apikeys.web import creation_views, views


class ApiKeyIdConverter:
    regex = API_KEY_ID.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class DigestConverter(ApiKeyIdConverter):
    regex = r"[0-9a-f]{64}"


register_converter(ApiKeyIdConverter, "api_key_id")
register_converter(DigestConverter, "digest")

urlpatterns = [
    path("", views.api_key_list, name="api_key_list"),
    path("create/", creation_views.api_key_create, name="api_key_create"),
    path("create/receipt/", creation_views.api_key_receipt, name="api_key_receipt"),
    path(
        "create/receipt/<digest:nonce_digest>.svg",
        creation_views.api_key_scriptless_receipt,
        name="api_key_scriptless_receipt",
    ),
    path("create/more-time/", creation_views.api_key_more_time, name="api_key_more_time"),
    path("create/download/", creation_views.api_key_download, name="api_key_download"),
    path("create/<int:creation_id>/settle/", creation_views.api_key_dismiss, name="api_key_dismiss"),
    path("<api_key_id:key_id>/", views.api_key_details, name="api_key_details"),
    path("<api_key_id:key_id>/lock/", views.api_key_lock, {"locked": True}, name="api_key_lock"),
    path("<api_key_id:key_id>/unlock/", views.api_key_lock, {"locked": False}, name="api_key_unlock"),
    path("<api_key_id:key_id>/disable/", views.api_key_disable, {"disabled": True}, name="api_key_disable"),
    path("<api_key_id:key_id>/enable/", views.api_key_disable, {"disabled": False}, name="api_key_enable"),
    path("<api_key_id:key_id>/edit/", views.api_key_edit, name="api_key_edit"),
    path("<api_key_id:key_id>/delete/", views.api_key_delete, name="api_key_delete"),
]
