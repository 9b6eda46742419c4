"""What happened, told to operators: log lines, counters, and the page that Prometheus reads.

Owns the names of metrics and the words of the lines about sessions and logouts. Decides nothing and stores nothing: the
store hands over what each commit did (store/happened.py), the back channel and the web what they saw. The audit trail
is the store's, because it is written in the same step.
"""
