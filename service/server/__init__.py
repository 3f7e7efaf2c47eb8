"""Processes and connections: what uvicorn lacks."""
