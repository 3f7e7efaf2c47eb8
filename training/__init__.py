"""Train, evaluate, export and verify the digit network; `python -m training --help` is the way in."""
