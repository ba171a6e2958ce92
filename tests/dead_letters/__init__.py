"""Tests of dead letters: what is parked, the commands on it, the worker as a process."""
