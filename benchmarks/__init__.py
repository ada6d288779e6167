"""How fast softfloor is beside what people use today. Run from a checkout: ``python -m benchmarks``."""
