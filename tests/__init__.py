"""Tests of the harness itself: why it may be trusted."""
