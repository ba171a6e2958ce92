"""When Norce posts an event again, from the Norce docs on events."""

RETRY_DELAYS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 18_000, 21_600)
"""Seconds from the end of one failed post to the next one: 16 retries, 22 h 4 min in all. Then the event is dead."""

ATTEMPT_TIMEOUT = 5.0
"""Seconds one post may take."""
