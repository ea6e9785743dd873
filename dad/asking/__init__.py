"""Ask the teacher once: about every view of every training image that a run will see, and write its answers down."""
