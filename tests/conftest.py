"""What every test gets: hypothesis in two strengths. `HYPOTHESIS_PROFILE=deep` looks long and elsewhere each time."""

import os

from hypothesis import HealthCheck, settings

# The usual run takes the same examples every time, so that a red build is the commit's fault and not the dice's.
settings.register_profile("usual", deadline=None, derandomize=True, max_examples=50)
settings.register_profile(
    "deep", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
