"""Ingest: webhooks in over HTTP, out to the topics of feeds."""
