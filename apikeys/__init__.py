"""The app: everything about API keys."""

VERSION = "0.1.0"
