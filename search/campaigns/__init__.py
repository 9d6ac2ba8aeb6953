"""Running a campaign: each step as a study of its own, and what it found handed on to the next."""
