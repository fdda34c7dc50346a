"""Django's admin, where administrators manage people. Keys are not here: nobody needs them there."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apikeys.storage.reserve import revocation
from console.models import User


class ConsoleAdminSite(admin.AdminSite):
    """The admin behind the console's own log-in, so that its limits hold here too."""

    site_header = site_title = _("Administration")
    index_title = _("People and permissions")

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        if request.user.is_authenticated:
            if not self.has_permission(request):
                raise PermissionDenied
            return redirect("admin:index")
        return redirect_to_login(reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: object = None) -> HttpResponseBase:  # type: ignore[override]
        return redirect("dashboard")

    def password_change(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:  # type: ignore[override]
        return redirect("password")


class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    readonly_fields = ("iam_id", "account")
    # Who is deactivated or deleted, or gets another password, loses access.
    change_view = revocation(UserAdmin.change_view)
    changelist_view = revocation(UserAdmin.changelist_view)
    delete_view = revocation(UserAdmin.delete_view)
    user_change_password = revocation(UserAdmin.user_change_password)
    list_display = ("username", "email", "first_name", "last_name", "is_superuser", "is_active")


site = ConsoleAdminSite()
site.register(User, PeopleAdmin)
