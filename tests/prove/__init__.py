"""Proof by trial that secrets are safe here: real servers are killed, cut off, guessed at and searched; `make prove`.

Each proof is a function that takes a folder and a `Size`, and returns figures. `make test` tries the short form.
"""
