"""The address book: people below /, administrators below /admin/, operators at /healthz and /readyz."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from console import views
from console.admin import site

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
    path("password/", views.Password.as_view(), name="password"),
    path("language/", views.set_language, name="set_language"),
    path("theme/", views.set_theme, name="set_theme"),
    path("manage/", RedirectView.as_view(pattern_name="api_key_list")),
    path("manage/security/", RedirectView.as_view(pattern_name="api_key_list")),
    path("manage/security/apikeys/", include("apikeys.urls")),
    path("docs/api/", views.api_reference, name="api_reference"),
    path("admin/", site.urls),
    path("favicon.ico", views.favicon),
    path("", include("apikeys.api.urls")),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]

handler400 = "console.views.bad_request"
handler403 = "console.views.permission_denied"
handler404 = "console.views.page_not_found"
handler500 = "console.views.server_error"
