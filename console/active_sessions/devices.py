"""What somebody uses, in plain words, from the User-Agent that it sends; whoever sends it may say anything."""

from django.utils.translation import gettext as _

from apikeys.usage.places import client_of

# In this order: each that comes later is named by earlier ones, too.
BROWSERS = (
    ("Edg", "Microsoft Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
COMMAND_LINE = "apikeys"


def device_of(agent: str) -> str:
    """Return "Firefox on Linux", as much of it as is known, or what a program calls itself."""
    browser, system = _first(BROWSERS, agent), _first(SYSTEMS, agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    if browser or system:
        return browser or system
    return (client_of(agent) if "Mozilla/" not in agent else "") or _("Unknown device")


def command_line_of(agent: str) -> str:
    """Return how the command line is called, with the name of another program that logs in like it."""
    client = client_of(agent)
    if client in ("", COMMAND_LINE):
        return _("Command line")
    return _("Program: %(client)s") % {"client": client}


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((words for mark, words in names if mark in agent), "")
