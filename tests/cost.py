"""What hostile input may cost: a quarter of a second of processor time and 32 MB of memory.

The tests fail at three seconds: processor time on a busy machine is no even measure, and what they are to find is work
that grows faster than the message.
"""

import resource
import time
from contextlib import contextmanager


@contextmanager
def costs_little(*, seconds=3.0, megabytes=32):
    """Fail when the block takes more of this process than allowed; libxml2's memory counts, Python's alone does not."""
    memory, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
        assert spent < seconds, f"{spent:.3f} s"
        assert grown < megabytes, f"{grown:.1f} MB"
