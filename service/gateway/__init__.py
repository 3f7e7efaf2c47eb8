"""One request from its arrival to its reply: dispatch, limits, keys, deadlines."""
