"""The command line: a client like any other, through iam/; no Django, and nothing of this server's database."""
