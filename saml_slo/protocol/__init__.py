"""What SAML says: the messages, names and records of the protocol as plain types.

Owns the vocabulary that every other part speaks. Does not own bytes (wire/), decisions (logout/) or storage (store/).
Standard library only; no clock, no randomness, no I/O.
"""
