"""Errors of the project around the app: sentences for its operator."""


class Unfit(Exception):
    """A database that a store can't be copied from or to as it is; the text says why and what to do."""
