"""From a run to a published model folder, with proof."""
