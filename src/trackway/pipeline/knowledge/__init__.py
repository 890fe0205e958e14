"""What the stages look things up in: each module holds one loaded table and its cache."""
