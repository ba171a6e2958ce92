"""Which answers end Norce's posting, from the Norce docs on events."""


def is_taken(status: int) -> bool:
    """Whether an answer ends the posting: any 20x, in the words of the docs. Redirects are not followed (assumed)."""
    return 200 <= status <= 209
