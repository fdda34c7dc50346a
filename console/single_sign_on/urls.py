"""Addresses of single sign-on; without a provider all of them are unknown."""

from django.urls import path

from console.single_sign_on import views

urlpatterns = [
    path("login/sso/", views.start, name="single_sign_on"),
    path("login/sso/callback/", views.callback, name="single_sign_on_callback"),
    path("account/sso/prove/", views.prove, name="single_sign_on_prove"),
    path("account/sso/proved/", views.proved, name="single_sign_on_proved"),
    path("account/sso/connect/", views.connect, name="single_sign_on_connect"),
    path("account/sso/disconnect/", views.disconnect, name="single_sign_on_disconnect"),
]
