"""Log-in: what judges passwords, here and upstream, and the limits on attempts."""
