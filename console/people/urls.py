"""Addresses of the pages about people, below /manage/users/."""

from django.urls import path

from console.people import views

urlpatterns = [
    path("", views.people_list, name="people"),
    path("create/", views.person_create, name="person_create"),
    path("<slug:iam_id>/", views.person_details, name="person_details"),
    path("<slug:iam_id>/deactivate/", views.person_set_active, {"active": False}, name="person_deactivate"),
    path("<slug:iam_id>/activate/", views.person_set_active, {"active": True}, name="person_activate"),
    path("<slug:iam_id>/link/", views.person_link, name="person_link"),
    path("<slug:iam_id>/reset-factors/", views.person_reset_factors, name="person_reset_factors"),
    path("<slug:iam_id>/delete/", views.person_delete, name="person_delete"),
    path("<slug:iam_id>/sessions/", views.person_sessions, name="person_sessions"),
    path("<slug:iam_id>/sessions/end/", views.person_sessions_end, name="person_sessions_end"),
    path("<slug:iam_id>/sessions/<slug:session_id>/end/", views.person_session_end, name="person_session_end"),
]
