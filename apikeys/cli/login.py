"""Commands about the log-in: who is logged in where, with which target and with which token."""

import argparse
import contextlib
import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apikeys.cli import keyfile
from apikeys.cli.output import Refused, ask, ask_secret, complain, print_json, report, say
from apikeys.cli.session import Session
from apikeys.exceptions import ApiKeyError
from apikeys.iam import IBM_CLOUD_URL

if TYPE_CHECKING:  # `requests` takes most of the time that a command needs to start
    from apikeys.iam.client import IAMClient, TokenPair

URL_VARIABLE = "APIKEYS_URL"
PLAIN_VARIABLE = "APIKEYS_ALLOW_HTTP"
# The API endpoints of IBM's command line, whose log-in has another address.
IBM_CLOUD = re.compile(r"(private\.)?cloud\.ibm\.com|api\.([a-z-]+\.)*bluemix\.net")
REVOKE_SECONDS = 5.0
PASSCODE_USER = "passcode"  # with `-u passcode`, `-p` has a one-time passcode, as with IBM's command line


def do_login(options: argparse.Namespace) -> None:
    session = Session.load()
    given = options.api or os.environ.get(URL_VARIABLE)
    url = parse_address(given) if given else session.url
    if not url:
        raise Refused(f"No API endpoint is set. Use 'apikeys login -a URL', or set {URL_VARIABLE}.")
    report(f"API endpoint: {url}")
    if options.skip_ssl_validation:
        complain("Warning: certificates are always checked. Name your own authority's file in REQUESTS_CA_BUNDLE.")
    check_encrypted(url)
    client = session.client(url)
    if (value := find_api_key(options)) is not None:
        report("Authenticating...")
        pair = client.log_in_with_api_key(value)
        for sentence in client.warnings:
            complain(sentence)
    elif options.sso or options.u == PASSCODE_USER:
        passcode = options.p if options.u == PASSCODE_USER else None
        pair = client.log_in_with_passcode(passcode or ask_passcode(client))
    else:
        username = options.u or ask("Email> ")
        password = options.p or ask_secret("Password> ")
        report("Authenticating...")
        pair = log_in_with_password(client, username, password)
    session.begin(url, pair)
    change_target(session, options)
    untargeted = (["region"] if options.no_region else []) + (["account", "group"] if options.no_account else [])
    for name in untargeted:
        session.target.pop(name, None)
    session.save()
    report("OK\n")
    show_target(session)


def ask_passcode(client: "IAMClient") -> str:
    """Return the passcode that is typed, and say first where one is to be had, as far as the server tells."""
    with contextlib.suppress(ApiKeyError):
        if url := str(client.discover().get("passcode_endpoint") or ""):
            report(f"Get a one-time passcode from {url}")
    return ask_secret("One-time passcode> ")


def log_in_with_password(client: "IAMClient", username: str, password: str) -> "TokenPair":
    """Return tokens for a password. Where that is not enough, the refusal ends with the command to use instead."""
    try:
        return client.log_in_with_password(username, password)
    except ApiKeyError as exc:
        if "passcode" in str(exc):
            complain("Use 'apikeys login --sso'.")
        raise


def find_api_key(options: argparse.Namespace) -> str | None:
    """Return the value to log in with, None for a log-in by password or passcode. Raises KeyFileError."""
    if options.apikey is not None:
        return keyfile.resolve_value(options.apikey, "--apikey")
    if options.u or options.sso:
        return None
    for variable in keyfile.API_KEY_VARIABLES:
        if text := os.environ.get(variable):
            return keyfile.resolve_value(text, variable)
    return None


def parse_address(text: str) -> str:
    """Return the address with its scheme: https, or http on this machine. Raises Refused."""
    text = text.strip()
    if "://" not in text:
        scheme = "http" if is_this_machine(host_of(f"http://{text}")) else "https"
        text = f"{scheme}://{text}"
    host = host_of(text)
    if not host or not text.startswith(("http://", "https://")):
        raise Refused(f"The URL {text} can't be used. Write it like https://console.example.com.")
    if "@" in urlsplit(text).netloc:
        raise Refused("The URL contains a user name. Leave it out, and use -u.")
    if IBM_CLOUD.fullmatch(host):
        return ibm_cloud_address(host)
    return text


def host_of(url: str) -> str:
    """Return the host of an address, "" where it has none or is no address."""
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port >= 0
    except ValueError:
        return ""
    host = parts.hostname or ""
    return host if port_is_number and not re.search(r"\s", host) else ""


def ibm_cloud_address(host: str) -> str:
    """Return where to log in for a script that names IBM Cloud's API endpoint."""
    instead = os.environ.get(URL_VARIABLE, "")
    if instead and not IBM_CLOUD.fullmatch(host_of(instead)):
        complain(f"{URL_VARIABLE} is set, so its server is used instead of {host}.")
        return parse_address(instead)
    return IBM_CLOUD_URL


def is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_encrypted(url: str) -> None:
    """Raise Refused where a password or a key would cross a network unencrypted."""
    host = host_of(url)
    if url.startswith("https://") or is_this_machine(host) or os.environ.get(PLAIN_VARIABLE, "").lower() == "true":
        return
    raise Refused(
        f"Over http your API key or password would go to {host} unencrypted. Use https://. "
        f"Where you trust the network between, set {PLAIN_VARIABLE}=true."
    )


def do_api(options: argparse.Namespace) -> None:
    session = Session.load()
    url = "" if options.unset else parse_address(options.url) if options.url else session.url
    if url != session.url:
        session.forget()  # the tokens are another server's
        session.url = url
        session.save()
    say(f"API endpoint:  {url}" if url else "No API endpoint is set. Use 'apikeys api URL' to set it.")
    if url and not session.is_logged_in:
        report("Not logged in. Use 'apikeys login' to log in.")


def do_tokens(options: argparse.Namespace) -> None:
    token = f"Bearer {require_login().fresh_token()}"
    if options.output:
        print_json({"iam_token": token})
    else:
        say(f"IAM token:  {token}")


def do_target(options: argparse.Namespace) -> None:
    session = require_login()
    change_target(session, options)
    session.save()
    show_target(session)


def do_logout(options: argparse.Namespace) -> None:
    report("Logging out...")
    session = Session.load()
    tokens = [token for token in (session.refresh_token, session.access_token) if token]
    try:
        session.end()  # first, so that this machine forgets the tokens whatever the server answers
    finally:
        revoke(session, tokens)
    report("OK")


def revoke(session: Session, tokens: list[str]) -> None:
    """Revoke tokens at the server. One that can't, such as IBM Cloud, or does not answer is told on standard error."""
    try:
        for token in tokens:
            session.client(seconds=REVOKE_SECONDS).revoke(token)
    except (ApiKeyError, ModuleNotFoundError) as exc:
        complain(f"Logged out on this machine. The server did not revoke the tokens, which end within 72 hours: {exc}")


def change_target(session: Session, options: argparse.Namespace) -> None:
    names = ("region", "organization", "space", "account", "group")
    session.target |= {name: text for name in names if (text := getattr(options, name))}


def show_target(session: Session) -> None:
    rows = [("API endpoint", session.url), ("User", session.user), ("Account", session.account_id)]
    rows += [(name.title(), text) for name, text in session.target.items() if name != "account"]
    for name, text in rows:
        say(f"{name + ':':<15}{text}")


def require_login() -> Session:
    """Return the session. Raises Refused where there is none."""
    session = Session.load()
    if session.is_logged_in:
        return session
    raise Refused("Not logged in. Use 'apikeys login' to log in.")
