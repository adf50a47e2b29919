"""Notifiers: consumers of the escalations topic that tell somebody."""
