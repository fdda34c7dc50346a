"""Addresses of the pages: of keys, below /manage/security/apikeys/, and of service IDs, below …/serviceids/."""

from django.urls import path, register_converter

from apikeys.domain import API_KEY_ID, SERVICE_ID
from apikeys.web import (
    activity_views,
    bulk_views,
    creation_views,
    deletion_views,
    export_views,
    refusal_views,
    review_rules_views,
    review_views,
    revoking_views,
    rotation_views,
    scope_views,
    service_id_views,
    usage_views,
    views,
)


class ApiKeyIdConverter:
    regex = API_KEY_ID.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class DigestConverter(ApiKeyIdConverter):
    regex = r"[0-9a-f]{64}"


class ServiceIdConverter(ApiKeyIdConverter):
    regex = SERVICE_ID.pattern


register_converter(ApiKeyIdConverter, "api_key_id")
register_converter(ServiceIdConverter, "service_id")
register_converter(DigestConverter, "digest")

urlpatterns = [
    path("", views.api_key_list, name="api_key_list"),
    path("export/", export_views.api_key_export, name="api_key_export"),
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
    path("<api_key_id:key_id>/delete/", deletion_views.api_key_delete, name="api_key_delete"),
    path("<api_key_id:key_id>/restore/", deletion_views.api_key_restore, name="api_key_restore"),
    path("<api_key_id:key_id>/pause/", deletion_views.api_key_pause, name="api_key_pause"),
    path("<api_key_id:key_id>/resume/", deletion_views.api_key_resume, name="api_key_resume"),
    path("<api_key_id:key_id>/rotate/", rotation_views.api_key_rotate, name="api_key_rotate"),
    path("<api_key_id:key_id>/end-previous/", rotation_views.api_key_end_previous, name="api_key_end_previous"),
    path(
        "<api_key_id:key_id>/extend-previous/",
        rotation_views.api_key_extend_previous,
        name="api_key_extend_previous",
    ),
    path("<api_key_id:key_id>/alarm-seen/", usage_views.api_key_note_alarm, name="api_key_note_alarm"),
    path("refusals/", refusal_views.api_key_refusals, name="api_key_refusals"),
    path("found/", refusal_views.api_key_found, name="api_key_found"),
    path("found/end/", refusal_views.api_key_found_end, name="api_key_found_end"),
    path("bulk/", bulk_views.api_keys_bulk, name="api_keys_bulk"),
    path("bulk/<uuid:run_id>/", bulk_views.api_keys_bulk_run, name="api_keys_bulk_run"),
    path("bulk/<uuid:run_id>/more/", bulk_views.api_keys_bulk_run, {"has_more": True}, name="api_keys_bulk_first"),
    path("revoke/", revoking_views.api_keys_revoke, name="api_keys_revoke_everybody"),
    path("revoke/<slug:iam_id>/", revoking_views.api_keys_revoke, name="api_keys_revoke"),
    path("deleted/", deletion_views.api_key_deleted, name="api_key_deleted"),
]

ONE = "<service_id:service_id>"
service_id_urlpatterns = [
    path("", service_id_views.service_id_list, name="service_id_list"),
    path("create/", service_id_views.service_id_create, name="service_id_create"),
    path(f"{ONE}/", service_id_views.service_id_details, name="service_id_details"),
    path(f"{ONE}/edit/", service_id_views.service_id_edit, name="service_id_edit"),
    path(f"{ONE}/lock/", service_id_views.service_id_lock, {"locked": True}, name="service_id_lock"),
    path(f"{ONE}/unlock/", service_id_views.service_id_lock, {"locked": False}, name="service_id_unlock"),
    path(f"{ONE}/disable/", service_id_views.service_id_disable, {"disabled": True}, name="service_id_disable"),
    path(f"{ONE}/enable/", service_id_views.service_id_disable, {"disabled": False}, name="service_id_enable"),
    path(f"{ONE}/take-over/", service_id_views.service_id_take_over, name="service_id_take_over"),
    path(f"{ONE}/delete/", service_id_views.service_id_delete, name="service_id_delete"),
]

# Below /manage/scopes/. A name can have slashes, and is no part of a path.
scope_urlpatterns = [
    path("", scope_views.scope_list, name="scope_list"),
    path("edit/", scope_views.scope_edit, name="scope_edit"),
    path("delete/", scope_views.scope_delete, name="scope_delete"),
]

# Below /manage/security/review/.
review_urlpatterns = [
    path("", review_views.review_page, name="review"),
    path("rules/", review_rules_views.review_rules_page, name="review_rules"),
]

# Below /manage/security/activity/.
activity_urlpatterns = [
    path("", activity_views.activity_page, name="activity"),
    path("export/", activity_views.activity_export, name="activity_export"),
]
