"""The command line. It talks to a server through iam/ like any other client; no Django."""
