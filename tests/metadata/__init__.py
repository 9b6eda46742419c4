"""Metadata that is signed, fetched, renewed, shared between nodes, and taken from federations' aggregates."""
