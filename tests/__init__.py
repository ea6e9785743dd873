"""A package, as another one of this name may be installed, and processes that tests start import test files by name."""
