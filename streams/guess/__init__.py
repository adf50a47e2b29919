"""Guesses at a configuration from a sample of a feed: what a beginner can correct instead of writing.

Pure, and the same for the same sample. Every guess says why it was made; what a sample cannot show is
left as TODO, which `escalations check` refuses.
"""
