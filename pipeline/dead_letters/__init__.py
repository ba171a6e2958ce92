"""Dead letters: the record of one, what is parked behind it, what became of it, and the commands on it."""
