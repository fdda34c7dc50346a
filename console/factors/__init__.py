"""Second factors: codes of an app, passkeys, recovery codes, and what asks for them, at the log-in and again later."""
