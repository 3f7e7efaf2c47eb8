"""What people say of answers: recent answers in memory, corrections on disk. Nothing of who said it."""
