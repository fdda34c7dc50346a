"""Answers of the API: plain data, which become Django's responses only where Django passes them on."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse

_text_of = DjangoJSONEncoder().encode


class Answer:
    """Status, headers and body of an answer, and Django's response where it was made of one: that has its cookies."""

    __slots__ = ("content", "headers", "response", "status_code")

    def __init__(
        self, status: int, headers: dict[str, str], content: bytes = b"", *, response: HttpResponse | None = None
    ) -> None:
        self.status_code, self.headers, self.content, self.response = status, headers, content, response

    @classmethod
    def of(cls, response: HttpResponse) -> "Answer":
        """Return the answer that a response of Django's is, which it keeps."""
        return cls(response.status_code, dict(response.items()), response.content, response=response)

    def as_response(self) -> HttpResponse:
        """Return Django's response that says the same: that which the answer was made of, where it was."""
        response = self.response
        if response is None:
            return HttpResponse(self.content, status=self.status_code, headers=self.headers)
        for name in response.headers.keys() - self.headers.keys():
            del response.headers[name]
        for name, text in self.headers.items():
            response.headers[name] = text
        return response


class JsonAnswer(Answer):
    """An answer that Django's JsonResponse would be, byte for byte, with one encoder for all; a list will do, too."""

    __slots__ = ()

    def __init__(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        own = {"Content-Type": "application/json"} | (headers or {})
        super().__init__(status, own, _text_of(body).encode())
