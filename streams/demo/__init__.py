"""The demo: an invented CRM, an embedded broker, a real worker and a real notifier."""
