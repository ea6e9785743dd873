"""A student's training: views and loaders, the loop and its updates, and what a run writes and takes up again."""
