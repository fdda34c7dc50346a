"""Addresses of one's own active sessions, below /sessions/."""

from django.urls import path

from console.active_sessions import views

urlpatterns = [
    path("", views.sessions, name="sessions"),
    path("end/", views.sessions_end, name="sessions_end"),
    path("<slug:session_id>/end/", views.session_end, name="session_end"),
]
