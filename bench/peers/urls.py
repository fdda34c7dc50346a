"""The view that each peer looks a key up for: it returns a constant."""

from django.conf import settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

CONSTANT = {"active": True}

if settings.PEER == "knox":
    from knox.auth import TokenAuthentication
    from rest_framework.permissions import IsAuthenticated

    class View(APIView):
        authentication_classes = [TokenAuthentication]
        permission_classes = [IsAuthenticated]

        def get(self, request: Request) -> Response:
            return Response(CONSTANT)

else:
    from rest_framework_api_key.permissions import HasAPIKey

    class View(APIView):  # type: ignore[no-redef]
        permission_classes = [HasAPIKey]

        def get(self, request: Request) -> Response:
            return Response(CONSTANT)


urlpatterns = [path("look-up", View.as_view())]
