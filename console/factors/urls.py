"""Addresses of the pages about one's own second factors, below /account/."""

from django.urls import path

from console.factors import views

urlpatterns = [
    path("factors/", views.factors_page, name="factors"),
    path("factors/app/", views.factors_app, name="factors_app"),
    path("factors/app/remove/", views.factors_app_remove, name="factors_app_remove"),
    path("factors/recovery/", views.factors_recovery, name="factors_recovery"),
    path("passcode/", views.passcode_page, name="passcode"),
    path("prove/", views.prove, name="prove"),
]
