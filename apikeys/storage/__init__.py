"""The database as such: what its errors mean, the disk space kept for a full one, SQL that is written once.

What is stored is in models.py, who reads and writes it in backends/.
"""
