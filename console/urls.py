"""The address book: people below /, what they manage below /manage/, operators at /healthz, /readyz and /metrics.

With an upstream store people, passwords and the API of programs are there, and so are their addresses.
"""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from apikeys.backends import store_traits
from apikeys.urls import activity_urlpatterns, review_urlpatterns, scope_urlpatterns, service_id_urlpatterns
from apikeys.web.rules_views import rules_page
from console import metrics, views
from console.csp_reports import csp_reports
from console.log_in_pages import factors, iam
from console.log_in_pages import views as log_in
from console.mails.views import mails
from console.people import views as people

# In the order of how often they are asked for: Django tries one after the other.
urlpatterns = [
    path("manage/security/apikeys/", include("apikeys.urls")),
    *([] if store_traits().is_upstream else [path("", include("apikeys.api.urls"))]),
    path("", views.dashboard, name="dashboard"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
    path("language/", views.set_language, name="set_language"),
    path("theme/", views.set_theme, name="set_theme"),
    path("time-zone/", views.time_zone, name="time_zone"),
    path("sessions/", include("console.active_sessions.urls")),
    path("manage/security/activity/", include(activity_urlpatterns)),
    path("manage/", RedirectView.as_view(pattern_name="api_key_list")),
    path("manage/security/", RedirectView.as_view(pattern_name="api_key_list")),
    path("favicon.ico", views.favicon),
    path("csp-reports/", csp_reports),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("metrics", metrics.metrics),
]
if not store_traits().is_upstream:
    urlpatterns += [
        path("manage/security/serviceids/", include(service_id_urlpatterns)),
        path("manage/security/review/", include(review_urlpatterns)),
        path("login/second/", factors.second_step_page, name="second_step"),
        path("login/passkey/", factors.passkey_log_in, name="passkey_log_in"),
        path("login/passkey/use/", factors.passkey_options_to_log_in, name="passkey_options_to_log_in"),
        path("", include("console.single_sign_on.urls")),
        path("account/", include("console.factors.urls")),
        path("account/mails/", mails, name="mails"),
        path("login/", log_in.Login.as_view(), name="login"),
        path("password/", log_in.Password.as_view(), name="password"),
        path("manage/rules/", rules_page, name="rules"),
        path("docs/api/", views.api_reference, name="api_reference"),
        path("password/choose/", people.choose_password, name="choose_password"),
        path("manage/scopes/", include(scope_urlpatterns)),
        path("manage/users/", include("console.people.urls")),
        path("manage/security/webhooks/", include("console.webhooks.urls")),
    ]
else:
    urlpatterns += [
        path("login/", iam.IAMLogin.as_view(), name="login"),
        path("account/", iam.choose_account, name="account"),
    ]

handler400 = "console.views.bad_request"
handler403 = "console.views.permission_denied"
handler404 = "console.views.page_not_found"
handler500 = "console.views.server_error"
