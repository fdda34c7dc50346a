"""The database as such: what its errors mean, and the disk space kept for a full one.

What is stored is in models.py, who reads and writes it in backends/.
"""
