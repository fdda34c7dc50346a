"""The export of a list, page by page: however long the list is, no more than a page is in memory."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from threading import BoundedSemaphore
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings

from apikeys import audit, domain
from apikeys.backends import value_store_for
from apikeys.exceptions import ApiKeyError, ExportsBusy
from apikeys.iam import exports
from apikeys.iam.exports import Format
from apikeys.services import keys

PAGE_SIZE = 100
LONGEST_SECONDS = 600  # of an export: a thread serves it, and whoever takes it slowly does not keep that for ever

logger = logging.getLogger(__name__)


class Page(Protocol):
    """A page of a list, which has the place of the one behind it, None at the end."""

    @property
    def next(self) -> Any: ...


Read = TypeVar("Read", bound=Page)


class Parts(ABC, Generic[Read]):
    """A list as a text, in parts; it begins with its first page, and is closed whether it is read or not.

    One that can't be finished says so in its last line, which is no JSON: whoever has a part of it is not to take it
    for all.
    """

    columns: Sequence[str] = exports.COLUMNS

    def __init__(self, form: Format, before: str = "") -> None:
        """Read the first page. Raises ExportsBusy, and what `first` raises."""
        self.form, self.before = form, before
        self.is_open = False
        if not _places().acquire(blocking=False):
            raise ExportsBusy
        self.is_open = True
        try:
            self.page = self.first()
        except BaseException:
            self.close()
            raise
        self.parts = self._parts()

    @abstractmethod
    def first(self) -> Read:
        """Return the first page; that there is an export is an event."""

    @abstractmethod
    def behind(self, page: Read) -> Read:
        """Return the page behind another one."""

    @abstractmethod
    def records(self, page: Read) -> list[dict[str, Any]]:
        """Return what an export tells of a page, by `columns`."""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self.parts).encode()

    def close(self) -> None:
        """Let others export; more than once does no harm."""
        if self.is_open:
            self.is_open = False
            _places().release()

    def _parts(self) -> Iterator[str]:
        deadline = time.monotonic() + LONGEST_SECONDS
        try:
            yield self.before + exports.head(self.form, self.columns)
            page, is_begun = self.page, False
            while True:
                yield exports.lines(self.form, self.records(page), begun=is_begun, columns=self.columns)
                is_begun = True
                if page.next is None:
                    break
                if time.monotonic() > deadline:
                    yield incomplete(self.form)
                    return
                page = self.behind(page)
            yield exports.tail(self.form)
        except ApiKeyError:
            yield incomplete(self.form)
        except Exception:
            logger.exception("An export did not come to its end.")
            yield incomplete(self.form)
        finally:
            self.close()


class Export(Parts[domain.ApiKeyPage]):
    """A list of keys. Its beginning raises NotAuthorized, InvalidApiKey, SearchTooSlow, ExportsBusy, NotOffered."""

    def __init__(self, caller: domain.Caller, query: domain.ApiKeyQuery, form: Format, before: str = "") -> None:
        self.caller = caller
        self.query = replace(query, cursor=None, counted=False, page_size=PAGE_SIZE)
        super().__init__(form, before)

    def first(self) -> domain.ApiKeyPage:
        return page_of_export(self.caller, self.query, self.form)

    def behind(self, page: domain.ApiKeyPage) -> domain.ApiKeyPage:
        return keys.list_api_keys(self.caller, replace(self.query, cursor=page.next))

    def records(self, page: domain.ApiKeyPage) -> list[dict[str, Any]]:
        return records_of(page)


def page_of_export(caller: domain.Caller, query: domain.ApiKeyQuery, form: Format) -> domain.ApiKeyPage:
    """Return a page of an export; the first one is an audit event, without which there is none.

    Raises NotAuthorized, InvalidApiKey, SearchTooSlow, NotOffered.
    """
    page = value_store_for(caller).list_api_keys(query)
    if query.cursor is None:
        audit.record(caller, audit.EXPORT, format=str(form), **_told(query))
    return page


def records_of(page: domain.ApiKeyPage) -> list[dict[str, Any]]:
    """Return what an export tells of the keys of a page."""
    owners = keys.owners_of(page.keys)
    return [exports.record(key, owners[key.iam_id]) for key in page.keys]


def incomplete(form: Format) -> str:
    """Return the last line of an export that is not all of the list."""
    words = "INCOMPLETE: the list was not exported to its end. Export it again."
    return exports.csv_line([words]) if form is Format.CSV else f"\n{words}\n"


def _told(query: domain.ApiKeyQuery) -> dict[str, Any]:
    """Return which keys a query asks for, as an event tells it."""
    told = {"keys": "all" if query.whole_account else "own", "owner": query.iam_id, "search": query.search}
    told |= {name: str(getattr(query.filters, name)) for name in sorted(query.filters.given())}
    conditions = ", ".join(f"{each.attribute} {each.match} {each.text}" for each in query.conditions)
    return {name: text for name, text in (told | {"filter": conditions, "type": query.kind}).items() if text}


@cache
def _places() -> BoundedSemaphore:
    """Of the threads of a process, those that exports may take: others are left to what is quick."""
    return BoundedSemaphore(max(1, settings.THREADS // 4))
