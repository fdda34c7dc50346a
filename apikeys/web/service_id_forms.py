"""The form that creates and edits a service ID, and the list of service IDs in its URL."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from apikeys import domain
from apikeys.cursors import read_cursor, write_cursor
from apikeys.exceptions import InvalidApiKey
from apikeys.services.delivery import Delivery
from apikeys.services.messages import sentence
from apikeys.web.forms import ApiKeyForm, OpaqueField, new_nonce
from apikeys.web.listing import SEARCH_MAX_LENGTH, without_values


class CreateServiceIdForm(ApiKeyForm):
    """`draft()` is what the form asks for, and `cleaned_data["delivery"]` knows it again, once it is valid.

    `iam_id` is the person's.
    """

    nonce = OpaqueField()

    def __init__(self, *args: Any, iam_id: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.iam_id = iam_id

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        try:
            fields["delivery"] = Delivery(self.iam_id, fields["nonce"])
        except InvalidApiKey as exc:
            self.add_error(None, sentence(exc))
            self.replace("nonce", new_nonce())
        return fields

    def draft(self) -> domain.ServiceIdDraft:
        return domain.ServiceIdDraft(self.cleaned_data["name"], self.cleaned_data["description"])


class EditServiceIdForm(ApiKeyForm):
    """`changes()` is what the form asks for, once it is valid."""

    entity_tag = OpaqueField()

    def changes(self) -> domain.ServiceIdChanges:
        return domain.ServiceIdChanges(name=self.cleaned_data["name"], description=self.cleaned_data["description"])


@dataclass(frozen=True, slots=True)
class ServiceIdListState:
    """Which service IDs are listed, by name. What can't be read in a URL falls back to the default.

    A key's value in the search is replaced by its hint here, so that no link and no page repeats it. `manager` is an
    IAM ID.
    """

    search: str = ""
    manager: str = ""
    cursor: domain.Cursor | None = None

    @classmethod
    def from_url(cls, parameters: QueryDict, *, by_manager: bool) -> "ServiceIdListState":
        typed = filter(domain.is_printable, without_values(parameters.get("q", "")))
        search = "".join(typed)[:SEARCH_MAX_LENGTH].strip()
        named = domain.IAM_ID.fullmatch(parameters.get("manager", "")) if by_manager else None
        state = cls(search, named[0] if named else "")
        try:
            return state.at(read_cursor(parameters.get("at", "")))
        except ValueError:
            return state

    @property
    def query(self) -> domain.ServiceIdQuery:
        named = domain.Condition("name", domain.Match.CONTAINS, self.search)
        return domain.ServiceIdQuery(
            conditions=(named,) if self.search else (),
            managed_by=self.manager,
            sort=domain.ServiceIdSort.NAME,
            cursor=self.cursor,
        )

    def url(self) -> str:
        """Return the query string, "" for the first page of all, else beginning with "?"."""
        at = write_cursor(self.cursor) if self.cursor else ""
        pairs = {"q": self.search, "manager": self.manager, "at": at}
        encoded = urlencode({name: text for name, text in pairs.items() if text})
        return f"?{encoded}" if encoded else ""

    def without_search(self) -> "ServiceIdListState":
        return ServiceIdListState(manager=self.manager)

    def of_anybody(self) -> "ServiceIdListState":
        return ServiceIdListState(self.search)

    def at(self, cursor: domain.Cursor | None) -> "ServiceIdListState":
        return replace(self, cursor=cursor)
