"""The address of the server that was started last here, for commands, which are run without its PORT."""

from contextlib import suppress
from pathlib import Path

from django.conf import settings

MOST = 300  # characters of an address


def note() -> None:
    """Keep the address of the server that is starting. Where the disk refuses, commands use what their settings say."""
    with suppress(OSError):
        file = _file()
        file.touch(mode=0o600)
        file.write_text(f"{settings.PUBLIC_URL}\n")


def known() -> str:
    """Return the address to tell: of these settings where they name one, or a port, else of the server started last."""
    if settings.ADDRESS_IS_GIVEN:
        return str(settings.PUBLIC_URL)
    try:
        noted = _file().read_text()[:MOST].strip()
    except (OSError, UnicodeDecodeError):
        noted = ""
    return noted or str(settings.PUBLIC_URL)


def _file() -> Path:
    return Path(settings.DATA_DIR) / "address"
