"""The faults that the pipeline must survive, each put to it for real, and the soak that puts many to it for long."""
