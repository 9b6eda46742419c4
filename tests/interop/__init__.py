"""`make interop`: the bridge as a real process against identity providers that nobody here wrote.

A program, not part of the pytest run: it needs root, apt and npm. `rows_*.py` say what is proved, with the words of
`steps.py`; the other files are the lab, the bridge, a person's browser and the table. See docs/interop.md.
"""
