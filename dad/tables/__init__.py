"""The paper's tables as work to do: which recipe makes a row, how far it is, and what comes next.

`python -m dad.tables` is the command.
"""
