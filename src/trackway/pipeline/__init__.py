"""Out of the log, through the stages, into the store: nothing lost, nothing doubled."""
