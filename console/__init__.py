"""The project: settings, doors, headers, people and their sessions. It knows nothing of keys."""
