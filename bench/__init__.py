"""Accuracy and latency of exported artefacts, as rows that say what was measured, on what and how; and the report."""
