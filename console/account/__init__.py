"""A person's own account: the sessions of their browsers and log-ins of their command line, to be seen and ended."""
