"""How fast filesvc is, beside other servers, in one run on one machine: C{python -m benchmarks}."""
