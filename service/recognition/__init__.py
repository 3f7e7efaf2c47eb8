"""Pictures or tensors in, answers out; no HTTP."""
