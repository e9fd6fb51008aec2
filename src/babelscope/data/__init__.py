"""Data sets: readers, prompts, quality, and the embedded world atlas."""
