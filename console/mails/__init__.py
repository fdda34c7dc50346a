"""Being told by mail: what happened to one's keys and log-in, in one's own language; each person chooses what."""
