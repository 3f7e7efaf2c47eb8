"""Train, evaluate, export and verify the digit network; see `python -m training --help`."""
