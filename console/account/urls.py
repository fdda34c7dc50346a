"""Addresses of one's own account, below /sessions/."""

from django.urls import path

from console.account import views

urlpatterns = [
    path("", views.sessions, name="sessions"),
    path("end/", views.sessions_end, name="sessions_end"),
    path("<slug:session_id>/end/", views.session_end, name="session_end"),
]
