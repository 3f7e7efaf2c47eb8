"""The routes: what each one takes, does and answers."""
