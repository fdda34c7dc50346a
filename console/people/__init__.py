"""People: the pages under Manage > Access > Users, what can be done with a person, and links to choose a password."""
