"""Source images: which a split has, of which class, and how any file becomes RGB."""
