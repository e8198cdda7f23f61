"""Exports: one table, one deployable graph, one file per target, parity in pixels for each artefact."""
