"""What we decide: one running logout as a pure state machine.

Owns the states of targets, the order in which peers are asked, and what a receipt says. Knows no wire format, no store
and no browser; `now` (milliseconds since the epoch) and ids are arguments. Standard library only.
"""
