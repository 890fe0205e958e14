"""HTTP in, Submission into the log, answer when it is durable."""
