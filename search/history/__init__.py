"""History: results that were come by elsewhere, by hand or with other tools, as the trials of a study."""
