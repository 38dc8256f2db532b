"""Files as sets: sketches of them, exact answers, and what chance gives."""
