"""Views that pages call by themselves, as for progress or a receipt: nobody need be there, so no session lives on."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def background(view: View) -> View:
    """Mark a view; it is the outermost decorator."""
    view.is_background = True  # type: ignore[attr-defined]
    return view


def is_background(view: Callable[..., Any]) -> bool:
    """Tell whether a view is marked."""
    return getattr(view, "is_background", False)
