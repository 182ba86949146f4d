"""Decisions as pure functions on frozen values: no socket, no file, no clock, no environment."""
