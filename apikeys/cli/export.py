"""A list of keys as a file, written page by page."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from apikeys.cli import keyfile
from apikeys.cli.output import Refused, report
from apikeys.cli.session import Session
from apikeys.iam import exports
from apikeys.iam.exports import Format

if TYPE_CHECKING:
    from apikeys.iam.client import IAMClient

STANDARD_OUTPUT = "-"


def export(options: argparse.Namespace, session: Session, asked: dict[str, str]) -> None:
    """Write the keys that are asked for into the file of the options, which must not exist; "-" is standard output."""
    form = Format(options.format)
    with target(options.export) as file:
        number = write(file, form, pages(session, asked | {"format": str(form)}, options))
    if options.export != STANDARD_OUTPUT:
        report(f"OK\nExported {number} API keys to {options.export}")


def pages(session: Session, asked: dict[str, str], options: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Yield the records of each page that the options let pass. Raises Refused where the server makes no exports."""
    from apikeys.iam.client import (
        NOT_FOUND,
        IAMError,
        page_token,
    )  # it takes most of the time that a command needs to start

    token, is_first = "", True
    while token or is_first:
        try:
            answer = session.ask(page_at(asked | {"pagetoken": token}))
        except IAMError as exc:
            if is_first and exc.status == NOT_FOUND:
                raise Refused("This server exports no lists.") from None
            raise
        yield [key for key in answer["apikeys"] if is_asked_for(key, options)]
        token, is_first = page_token(answer, "next"), False


def page_at(parameters: dict[str, str]) -> "Callable[[IAMClient], dict[str, Any]]":
    return lambda client: client.export_page(**parameters)


def is_asked_for(key: dict[str, Any], options: argparse.Namespace) -> bool:
    """Tell whether name and description contain what the options say."""
    return all(
        wanted is None or wanted.casefold() in str(key.get(name) or "").casefold()
        for name, wanted in (("name", options.name), ("description", options.description))
    )


def write(file: TextIO, form: Format, found: Iterator[list[dict[str, Any]]]) -> int:
    """Write an export, and return how many keys it has."""
    number, first = 0, next(found)  # what is refused has written nothing
    file.write(exports.head(form))
    for page in chain([first], found):
        file.write(exports.lines(form, page, begun=number > 0))
        number += len(page)
    file.write(exports.tail(form))
    return number


@contextmanager
def target(name: str) -> Iterator[TextIO]:
    """Open a new private file; where it can't be written to its end, it is removed. Raises Refused."""
    if name == STANDARD_OUTPUT:
        yield sys.stdout
        return
    reserved = keyfile.reserve(name)
    try:
        with os.fdopen(reserved.descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException as exc:
        reserved.path.unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise Refused(f"Can't write {name}: {exc.strerror}.") from None
        raise
