"""How much memory a capture kernel needs."""
