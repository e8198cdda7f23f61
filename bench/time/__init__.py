"""How long a file takes, and how much memory: alone, in turn with others, in a browser."""
