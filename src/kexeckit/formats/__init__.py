"""Bytes or text to values and back; pure; one file per kernel interface."""
