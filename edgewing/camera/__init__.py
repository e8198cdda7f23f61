"""Cameras, streams and videos: where frames come from, who is followed in them, and what is shown and kept of it."""
