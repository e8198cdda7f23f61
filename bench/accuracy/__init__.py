"""How well a file finds landmarks: which faces, which parts of them, beside a teacher, with a detector's boxes."""
