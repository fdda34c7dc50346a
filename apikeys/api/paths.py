"""Which addresses are the API's, and which of its two shapes an error has there."""

from django.http import HttpRequest

TOKEN_PATHS = ("/identity/", "/oidc/", "/.well-known/oauth-authorization-server/", "/.well-known/openid-configuration/")
PATHS = ("/v1/", *TOKEN_PATHS)


def is_api(request: HttpRequest) -> bool:
    """Tell whether a request is for the API, whose errors are never pages."""
    return is_path_of_api(request.path)


def is_path_of_api(path: str) -> bool:
    """Tell whether the API serves this address, slashes too many apart; there may be nothing at it."""
    return f"{path}/".startswith(PATHS)


def is_token_path(request: HttpRequest) -> bool:
    """Tell whether errors have the shape of the token endpoint."""
    return f"{request.path}/".startswith(TOKEN_PATHS)


def as_served(path: str) -> str:
    """Return an address of the API as it is in the address book, any other one as it is.

    Clients add a slash at the end, and one before where the address of the server that they were told ends with one.
    """
    plain = f"/{path.lstrip('/')}"
    if not is_path_of_api(plain):
        return path
    return plain[:-1] if plain.endswith("/") and not plain.endswith("//") else plain
