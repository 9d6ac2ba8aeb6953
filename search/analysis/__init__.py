"""What a study's trials say: figures, and where people see them."""
