"""The database as such: what its errors mean, and the disk space kept so that access can be ended on a full disk."""
