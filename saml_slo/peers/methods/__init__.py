"""What a peer of each kind is sent, and what its answer means: one file for each logout method (product L9, P).

A method builds a `Call` (from server to server) or an `HttpOut` (through the browser) and reads what comes back. It
opens no connection and knows no clock: asking.py gives it both.
"""
