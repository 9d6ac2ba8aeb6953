"""One run as a generator of epochs. Knows torch; never imports optuna or sqlalchemy."""
