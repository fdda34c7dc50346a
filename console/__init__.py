"""The project: settings, server, headers, people and their sessions. What it shows of keys it asks apikeys/ for."""
