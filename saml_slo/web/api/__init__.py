"""The API of the logout service, for applications that do not speak SAML (product A2).

Owns the JSON in and out, who may ask, and the OpenAPI document of both. What is done about it stands in
application_sessions.py and remote_logout.py. Everything under `/api/v1`; errors are JSON as well (web/errors.py).
"""
