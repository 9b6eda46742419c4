"""Where state rests: domain verbs on Redis, each one an atomic step.

Owns every key (keys.py), its encoding (codec.py), the Lua scripts, the connection and the embedded server. Decides
nothing: it refuses what the state forbids (a replay, an ended session) and commits what it is given.
"""
