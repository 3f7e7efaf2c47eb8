"""A published model: its folder, the session, and the explanation."""
