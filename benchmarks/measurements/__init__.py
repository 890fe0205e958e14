"""What is measured: one module for each group of tables, each with `measure(effort, folder)`."""
