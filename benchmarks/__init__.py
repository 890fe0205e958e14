"""What Trackway costs, measured: `python -m benchmarks` (= `make bench`); see docs/reference/figures.md.

Every table drives a real `trackway serve` in a temporary data folder, durability on, over 127.0.0.1.
"""
