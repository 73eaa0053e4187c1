"""The parts of test/bench/compare.py."""
