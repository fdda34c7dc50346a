"""The app: everything about API keys."""
