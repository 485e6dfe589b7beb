"""Page tables that a kernel builds for the jump: how many pages, which bytes, and what they cost."""
