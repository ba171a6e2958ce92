"""Personal data: what everybody may see, what only the keys open, and what nobody can read any more."""
