"""Proofs that take longer than a test may: ``pytest -m proof tests/proofs``."""
