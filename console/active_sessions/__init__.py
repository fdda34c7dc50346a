"""The active sessions of a person, of browsers and of the command line, to be seen and ended."""
