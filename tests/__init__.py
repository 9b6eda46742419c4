"""The tests mirror the package; attacks, vectors and simulators have folders of their own."""
