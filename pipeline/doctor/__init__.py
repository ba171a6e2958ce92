"""Whether a process would find all that it needs where it is: settings, brokers, topics, rights, Norce, disk."""
