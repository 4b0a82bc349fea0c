"""Tests of the template: what it renders, and what that does."""
