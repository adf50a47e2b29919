"""The offline edge: what would have fired, from a history, through the same core as live."""
