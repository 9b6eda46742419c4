"""What is wrong with this installation, and what does that error of a vendor mean? For an operator who cannot find out.

Owns the doctor's findings (each with a code that docs/troubleshooting.md explains), the knowledge of vendors' own error
texts (vendors/, data and not code), and the explanation of a logout that is not made (explain.py). Changes nothing: it
reads files, settings, the store and, only where it is asked to, the network.
"""
