"""Who tests speak of: Alice owns a key, Bob is a stranger to it, Dora administers."""

PASSWORD = "correct horse battery staple"  # everybody's
ADMIN = ("admin", "a password for the tests")  # whom a console makes at its first start
