"""How it leaves: every connection that this program opens to a peer.

`back_channel.BackChannel` sends one request and returns the answer, under one deadline for it all, a limit on octets,
verified TLS and `egress.Egress`, which says to which addresses we speak at all. `fan_out.fan_out` sends many at once.
`failure.DeliveryFailed` is the one way in which this fails.

Owns no message, no signature and no decision: octets go out, octets come back, and nobody has verified them yet.
"""
