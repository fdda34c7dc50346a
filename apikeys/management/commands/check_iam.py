"""Tells in a minute whether the IAM at IAM_URL answers as this console expects. Changes nothing unless told to."""

import getpass
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from apikeys.cli import keyfile
from apikeys.exceptions import ApiKeyError
from apikeys.iam import payloads
from apikeys.iam.claims import account_of, claim, claims_of
from apikeys.iam.client import IAMClient, page_token

EXPECTED = (
    "id", "entity_tag", "crn", "locked", "created_at", "created_by", "modified_at", "name", "iam_id", "account_id",
)  # fmt: skip


class Command(BaseCommand):
    help = (
        f"Check the IAM at IAM_URL with an API key, from {keyfile.API_KEY_VARIABLE} (a value, or @FILE) or asked for. "
        "Reads only; with --write it also makes a key, changes it and deletes it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="also make, change and delete one key")

    def handle(self, *args: Any, write: bool, **options: Any) -> None:
        value = api_key()
        self.client = IAMClient(settings.IAM_URL)
        self.failures = 0
        self.stdout.write(f"Checking {settings.IAM_URL}, {'writing one key' if write else 'reading only'}.\n\n")
        answers = self.step("tells what it offers", self.discovery)
        if not (answers and self.step("gives an access token for the API key", lambda: self.token(value))):
            raise CommandError("Nothing else was tried.")
        self.step("renews it with the refresh token", self.renewal)
        self.step("knows this API key by its value", lambda: describe(self.client.get_api_key_by_value(value)))
        self.step("lists keys, page by page", self.listing)
        self.step("shows a key with history and last use", self.details)
        self.step("lists the keys of the whole account", self.whole_account, needed=False)
        self.step("tells the limit of keys", self.limit, needed=False)
        if settings.ACCOUNTS_URL:
            self.step(f"accounts are listed at {settings.ACCOUNTS_URL}", self.accounts, needed=False)
        if write:
            self.write()
        if self.failures:
            raise CommandError(f"{self.failures} of these did not work.")
        self.stdout.write("\nAll of it works.")

    def step(self, name: str, check: Callable[[], str], *, needed: bool = True) -> bool:
        """Do one check, print its result, and tell whether it worked."""
        began = time.monotonic()
        try:
            found, word = check(), "yes"
        except (ApiKeyError, ValueError, KeyError) as exc:
            found, word = str(exc), "NO" if needed else "(no)"
            trace = getattr(exc, "trace", "")
            found += f" (transaction {trace})" if trace else ""
            self.failures += needed
        seconds = time.monotonic() - began
        self.stdout.write(f"  {word:<4} {name}: {found} [{seconds:.1f} s]")
        return word == "yes"

    def discovery(self) -> str:
        found = self.client.discover()
        passcodes = found.get("passcode_endpoint")
        return f"issuer {found.get('issuer', 'not named')}, passcodes at {passcodes or 'no address'}"

    def token(self, value: str) -> str:
        self.pair = self.client.log_in_with_api_key(value)
        self.account_id = account_of(self.pair.access_token)
        self.iam_id = claim(claims_of(self.pair.access_token), "iam_id")
        if not self.iam_id:
            raise ValueError("the token has no iam_id")
        return f"{self.iam_id}, account {self.account_id or 'not named'}"

    def renewal(self) -> str:
        if not self.pair.refresh_token:
            raise ValueError("there is no refresh token")
        self.pair = self.client.refresh(self.pair.refresh_token)
        return f"good for {int(self.pair.expiration - time.time()) // 60} more minutes"

    def listing(self) -> str:
        own = {"pagesize": "1", "account_id": self.account_id, "iam_id": self.iam_id}
        first = self.client.api_key_page(**own)
        fields = list(first["apikeys"])
        if token := page_token(first, "next"):
            # The second page shows that page tokens work; all pages might take long.
            fields += self.client.api_key_page(**own, pagetoken=token)["apikeys"]
        self.keys = [payloads.parse_api_key(key) for key in fields]
        return f"{'two pages' if token else 'one page'} with {len(self.keys)} of yours"

    def details(self) -> str:
        if not self.keys:
            return "there is none to look at"
        fields = self.client.get_api_key(self.keys[0].id, history=True)
        missing = [name for name in EXPECTED if name not in fields]
        if missing:
            raise ValueError(f"the answer lacks {', '.join(missing)}")
        return f"{len(payloads.parse_history(fields))} changes, used {payloads.parse_api_key(fields).use_count} times"

    def whole_account(self) -> str:
        answer = self.client.api_key_page(scope="account", account_id=self.account_id, pagesize="100")
        return f"{len(answer['apikeys'])} on its first page"

    def limit(self) -> str:
        limit, count = self.client.key_limits(self.account_id, self.iam_id)
        return f"{count} of {limit or 'any number'}"

    def accounts(self) -> str:
        return f"{len(self.client.list_accounts(settings.ACCOUNTS_URL))} of yours"

    def write(self) -> None:
        """Create a key, change it in each way that the page has, and delete it; say so where that fails."""
        name = f"check_iam {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        made: dict[str, Any] = {}
        try:
            if self.step("makes a key", lambda: self.create(name, made)):
                self.step("changes it", lambda: self.update(made))
                self.step("locks it", lambda: self.switch(self.client.set_locked, made))
                self.step("disables it", lambda: self.switch(self.client.set_disabled, made))
        finally:
            if not made.get("id"):
                self.stderr.write(f"If a key {name!r} is there, delete it by hand.")
            elif not self.step("deletes it", lambda: self.delete(made)):
                self.stderr.write(f"The key {name!r} is still there: delete it by hand.")

    def create(self, name: str, made: dict[str, Any]) -> str:
        body = {"name": name, "description": "Made by check_iam", "iam_id": self.iam_id, "account_id": self.account_id}
        made |= self.client.create_api_key(body)
        if not made.pop("apikey", ""):
            raise ValueError("the answer has no value")
        return payloads.parse_api_key(made).id

    def update(self, made: dict[str, Any]) -> str:
        changes = {"description": "Changed by check_iam"}
        changed = self.client.update_api_key(made["id"], made["entity_tag"], changes)
        return f"entity tag {payloads.parse_api_key(changed).entity_tag.partition('-')[0]}"

    def switch(self, method: Callable[[str, bool], None], made: dict[str, Any]) -> str:
        method(made["id"], True)
        method(made["id"], False)
        return "and back"

    def delete(self, made: dict[str, Any]) -> str:
        self.client.delete_api_key(made["id"])
        return "gone"


def describe(fields: dict[str, Any]) -> str:
    key = payloads.parse_api_key(fields)
    return f"{key.id} ({key.status})"


def api_key() -> str:
    """Return the value to check with; never from an argument, which other users of the machine can read."""
    given = os.environ.get(keyfile.API_KEY_VARIABLE, "").strip()
    if not given and sys.stdin.isatty():
        given = getpass.getpass("API key> ").strip()
    if not given:
        raise CommandError(f"Set {keyfile.API_KEY_VARIABLE} to the value of an API key, or to @FILE.")
    try:
        return keyfile.resolve_value(given, keyfile.API_KEY_VARIABLE)
    except keyfile.KeyFileError as exc:
        raise CommandError(str(exc)) from None
