"""Models with hidden variables, and what the chapters on them share."""
