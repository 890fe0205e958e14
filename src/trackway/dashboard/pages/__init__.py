"""The pages: one module each with a `PAGE`, and `login`, which is a form rather than an answer."""
