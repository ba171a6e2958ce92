"""Random numbers that depend on the seed and on what they are for, never on what was drawn before."""

from random import Random


def generator(seed: int, *purpose: str | int) -> Random:
    """A generator of its own for each purpose, such as ``generator(seed, "order", 17)``."""
    return Random(":".join(map(str, (seed, *purpose))))


def draw(seed: int, *purpose: str | int) -> float:
    """One number from 0 up to, not including, 1."""
    return generator(seed, *purpose).random()
