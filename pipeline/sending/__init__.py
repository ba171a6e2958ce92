"""Posting a chosen event to a running connector, as Norce would."""
