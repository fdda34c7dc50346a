"""How much one sweep does of a walk that has a page in each transaction."""

from collections.abc import Callable

PAGES = 4  # of one sweep, so that other chores have their turn


def in_pages(do_page: Callable[[], int], size: int) -> int:
    """Do pages of a walk until one is not full, PAGES at most; `do_page` and this return how many were looked at."""
    done = 0
    for _page in range(PAGES):
        looked_at = do_page()
        done += looked_at
        if looked_at < size:
            break
    return done
