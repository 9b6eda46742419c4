"""Whom we talk to: files under metadata/ become the records of protocol/peer.py.

Owns the form of those files, what in them is refused and in which words, when they are read again, and the lists of
URLs to which a logout may send people. Does not own SAML (wire/ reads the metadata documents), sessions or messages.
"""
