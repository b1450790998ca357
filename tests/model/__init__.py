"""Tests of tinynn.model."""
