"""Replay: takes the keys of chosen events through the pipeline again.

An event is known by its id, so publishing it a second time would change nothing. What happens again is what follows
from it: an event that the state lacks is folded after all, and what is derived from the state now, by the policy and
the program as they are now, is held against what was sent. Only what differs is made again, by a command to the worker
that owns the key. No event is published: topics keep what Norce sent, and the ledger gives each event one outcome, the
newest.

``selection``   which events are meant
``plan``        what is known of their keys, read from the topics, in no consumer group
``comparison``  what would be, and how it differs from what is; pure
``giving``      the commands, and what the workers answered
``cli``         the command
"""
