"""`make transcript`: a new operator, a real SimpleSAMLphp, one fault after the other, and our commands that say why.

A program, not part of the pytest run: it needs root and apt, as tests/interop does, whose lab and browser it uses.
`faults.py` says what is made wrong and which sentences must be told; `transcript.py` writes docs/operator-transcript.md
from what really was typed and answered; `person.py` is the person at the terminal.
"""
