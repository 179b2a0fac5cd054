"""SCEP (RFC 8894) in layers, each usable alone: message, trust, transaction, client, enrolment, component."""
