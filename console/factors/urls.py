"""Addresses of the pages about one's own second factors, below /account/."""

from django.urls import path

from console.factors import views

urlpatterns = [
    path("factors/", views.factors_page, name="factors"),
    path("factors/app/", views.factors_app, name="factors_app"),
    path("factors/app/remove/", views.factors_app_remove, name="factors_app_remove"),
    path("factors/recovery/", views.factors_recovery, name="factors_recovery"),
    path("factors/passkey/", views.passkey_add, name="passkey_add"),
    path("factors/passkey/begin/", views.passkey_options_to_add, name="passkey_options_to_add"),
    path("factors/passkey/use/", views.passkey_options, name="passkey_options"),
    path("factors/passkey/<digest:digest>/remove/", views.passkey_remove, name="passkey_remove"),
    path("passcode/", views.passcode_page, name="passcode"),
    path("prove/", views.prove, name="prove"),
]
