"""The export of a list of keys, page by page: however long the list is, no more than a page is in memory."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from threading import BoundedSemaphore
from typing import Any

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


class Export:
    """A list of keys as a text, in parts; it begins with the first key, and is closed whether it is read or not.

    One that can't be finished says so in its last line, which is no JSON: whoever has a part of it is not to take it
    for all.
    """

    def __init__(self, caller: domain.Caller, query: domain.ApiKeyQuery, form: Format, before: str = "") -> None:
        """Read the first page. Raises NotAuthorized, InvalidApiKey, SearchTooSlow, ExportsBusy, NotOffered."""
        self.caller, self.form, self.before = caller, form, before
        self.query = replace(query, cursor=None, counted=False, page_size=PAGE_SIZE)
        self.is_open = False
        if not _places().acquire(blocking=False):
            raise ExportsBusy
        self.is_open = True
        try:
            self.page = page_of_export(caller, self.query, form)
        except BaseException:
            self.close()
            raise
        self.parts = self._parts()

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
            yield self.before + exports.head(self.form)
            page, is_begun = self.page, False
            while True:
                yield exports.lines(self.form, records_of(page), begun=is_begun)
                is_begun = True
                if page.next is None:
                    break
                if time.monotonic() > deadline:
                    yield incomplete(self.form)
                    return
                page = keys.list_api_keys(self.caller, replace(self.query, cursor=page.next))
            yield exports.tail(self.form)
        except ApiKeyError:
            yield incomplete(self.form)
        except Exception:
            logger.exception("An export did not come to its end.")
            yield incomplete(self.form)
        finally:
            self.close()


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
