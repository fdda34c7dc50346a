"""Addresses of the pages about webhooks, below /manage/security/webhooks/."""

from django.urls import path

from console.webhooks import views

urlpatterns = [
    path("", views.webhook_list, name="webhooks"),
    path("create/", views.webhook_create, name="webhook_create"),
    path("<uuid:webhook_id>/", views.webhook_details, name="webhook_details"),
    path("<uuid:webhook_id>/test/", views.webhook_test, name="webhook_test"),
    path("<uuid:webhook_id>/secret/", views.webhook_secret, name="webhook_secret"),
    path("<uuid:webhook_id>/since/", views.webhook_since, name="webhook_since"),
    path("<uuid:webhook_id>/again/<uuid:delivery_id>/", views.webhook_again, name="webhook_again"),
    path("<uuid:webhook_id>/delete/", views.webhook_delete, name="webhook_delete"),
]
