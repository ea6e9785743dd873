"""From source images to a DAD set: make, look at, foresee, record, compare."""
