"""The arithmetic of SLA clocks: how time is used up, targets, and warnings before the breach."""
