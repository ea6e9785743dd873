"""Studies: experiments of several runs, each with one command that runs it and one that prints what it found."""
