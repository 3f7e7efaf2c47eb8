"""What else one could take: each server one small file, with the same model on one CPU thread."""
