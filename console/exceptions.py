"""Errors of the project around the app: sentences for its operator."""


class Unfit(Exception):
    """A database that can't be used as it is: served, or copied from or to; the text says why and what to do."""
