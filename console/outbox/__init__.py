"""The outbox: what is to be told elsewhere, in a table, and the thread of each process that delivers it."""
