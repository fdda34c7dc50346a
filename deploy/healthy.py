"""The health check of a container: exits with 0 where the console in it is ready, and says why where it is not."""

import http.client
import os
import sys


def main() -> str | None:
    """Return what is wrong, None where nothing is."""
    # A console answers to the names that it is told, and an image knows none of them.
    name = os.environ.get("ALLOWED_HOSTS", "localhost").partition(",")[0].strip().lstrip(".").replace("*", "localhost")
    console = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8000")), timeout=4)
    try:
        console.request("GET", "/readyz", headers={"Host": name})
        answer = console.getresponse()
    except OSError as exc:
        return str(exc)
    return None if answer.status == http.HTTPStatus.OK else f"{answer.status} {answer.read(200)!r}"


if __name__ == "__main__":
    sys.exit(main())
