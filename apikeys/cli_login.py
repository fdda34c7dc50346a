"""Commands about the log-in: who is logged in where, and with which target."""

import argparse
import os

from apikeys import keyfile
from apikeys.cli_session import Session
from apikeys.cli_words import Refused, ask, ask_secret, say

URL_VARIABLE = "APIKEYS_URL"


def do_login(options: argparse.Namespace) -> None:
    session = Session.load()
    url = options.api or os.environ.get(URL_VARIABLE) or session.url
    if not url:
        raise Refused(f"Say where to log in: apikeys login -a URL, or set {URL_VARIABLE}.")
    if "://" not in url:
        url = f"https://{url}"
    say(f"API endpoint: {url}")
    client = session.client(url)
    value = options.apikey or ("" if options.u or options.sso else os.environ.get(keyfile.API_KEY_VARIABLE, ""))
    if value:
        say("Authenticating...")
        pair = client.log_in_with_api_key(keyfile.given_value(value))
    elif options.sso:
        pair = client.log_in_with_passcode(ask_secret("One-time passcode> "))
    else:
        username = options.u or ask("Email> ")
        password = options.p or ask_secret("Password> ")
        say("Authenticating...")
        pair = client.log_in_with_password(username, password)
    session.begin(url, pair)
    session.target |= chosen_target(options)
    session.save()
    say("OK\n")
    show_target(session)


def do_target(options: argparse.Namespace) -> None:
    session = logged_in()
    session.target |= chosen_target(options)
    session.save()
    show_target(session)


def do_logout(options: argparse.Namespace) -> None:
    say("Logging out...")
    Session.load().end()
    say("OK")


def chosen_target(options: argparse.Namespace) -> dict[str, str]:
    names = ("region", "organization", "space", "account", "group")
    return {name: text for name in names if (text := getattr(options, name))}


def show_target(session: Session) -> None:
    rows = [("API endpoint", session.url), ("User", session.user), ("Account", session.account_id)]
    rows += [(name.title(), text) for name, text in session.target.items() if name != "account"]
    for name, text in rows:
        say(f"{name + ':':<15}{text}")


def logged_in() -> Session:
    """Return the session. Raises Refused where there is none."""
    session = Session.load()
    if session.is_logged_in:
        return session
    raise Refused("Not logged in. Use 'apikeys login' to log in.")
