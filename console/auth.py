"""The path of the backends that log people in: sessions store it, and go on from one release to the next."""

from console.log_in.auth import IAMBackend, LimitedModelBackend

__all__ = ["IAMBackend", "LimitedModelBackend"]
