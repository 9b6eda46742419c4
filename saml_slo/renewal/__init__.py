"""Metadata that others publish: fetched, verified, compared, shared between nodes and kept as files of our own.

Owns when to look again, what happens to what came, and the child process that reads aggregates. Owns no format of
metadata (wire/) and no file under metadata/ (peers/): the registry reads the copies that are written here. Nothing here
runs in the path of a request.
"""
