"""Tests of tinynn, folder by folder as in the package."""
