"""Speed and memory, always against a baseline that is measured in the same run."""
