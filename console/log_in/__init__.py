"""Log-in: what judges passwords, here and upstream, the limits on attempts, and the pages that ask."""
