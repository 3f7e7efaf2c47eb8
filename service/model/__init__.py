"""A published model: its folder, the open session, and what it shows of its inside."""
