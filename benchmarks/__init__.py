"""What a logout and a sign-in cost in CPU, against raw cryptography and against pysaml2, in one interleaved run."""
