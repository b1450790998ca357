"""Tests of tinynn.engine."""
