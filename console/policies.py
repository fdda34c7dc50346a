"""What browsers are told to allow a page or a file of the console: the policies in the headers of answers."""

from functools import cache

from django.conf import settings

from console.static_files import digest_of_scripts

REPORTS = "/csp-reports/"
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer makes browsers send "Origin: null", which fails CSRF checks
    "X-Robots-Tag": "noindex, nofollow",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation",
            "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment",
            "picture-in-picture", "screen-wake-lock",
            "serial", "storage-access", "usb", "window-management", "xr-spatial-tracking",
        )
    ) + ", clipboard-read=(), clipboard-write=(self)"
    ", publickey-credentials-create=(self), publickey-credentials-get=(self)",
}  # fmt: skip


def strict_transport() -> str:
    """Return what browsers are told to remember of TLS, "" where this console is not known to have it."""
    if not settings.SECURE_HSTS_SECONDS:
        return ""
    subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}{'; preload' if settings.SECURE_HSTS_PRELOAD else ''}"


@cache
def page_policy() -> str:
    """Return the Content-Security-Policy of a page: docs/adr/0019-one-script.md says why it is like this."""
    script = f"'sha384-{digest_of_scripts()}' 'strict-dynamic'"
    return (
        f"default-src 'none'; script-src {script}; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; frame-src 'none'; "
        "worker-src 'none'; manifest-src 'none'; require-trusted-types-for 'script'; trusted-types default; "
        f"report-uri {REPORTS}"
    )
